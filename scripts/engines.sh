#!/usr/bin/env bash
# Installs the engines that the tests of images build with, and prints the folder of what is not installed
# but kept aside: a newer Docker (for `docker buildx bake`) and base images with Python, one of them with git too.
#
# Debian packages, from the mirrors that this machine's apt knows; needs root. Nothing is started.
# Whoever runs this on another system installs the programs by hand; the tests name what they miss.
set -euo pipefail

programs=(buildah docker.io docker-registry skopeo podman debootstrap)
newer=(docker.io containerd docker-cli docker-buildx)  # of the next release: the first with `buildx bake`
newer_release=trixie
base_release=bookworm  # its Python is 3.11

cache=${XDG_CACHE_HOME:-$HOME/.cache}/zlock-tests
folder=$cache/engines-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && !n++ {print $2}')
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

install_programs() {
    local missing=()
    for program in "${programs[@]}"; do
        dpkg-query --show --showformat '${db:Status-Status}' "$program" 2>/dev/null | grep -qx installed || missing+=("$program")
    done
    [ ${#missing[@]} = 0 ] && return
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
}

# Unpacked and not installed: beside the older one, and without asking the system for newer libraries.
unpack_newer_docker() {
    local apt=$1/apt
    mkdir -p "$apt"/{lists,cache/archives}/partial "$apt/debs" "$1/docker"
    echo "deb [signed-by=$keyring] $mirror $newer_release main" >"$apt/sources.list"
    local options=(
        -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State=$apt" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$apt/cache"
    )
    apt-get "${options[@]}" update
    (cd "$apt/debs" && apt-get "${options[@]}" -o APT::Sandbox::User=root download "${newer[@]}")
    for package in "$apt"/debs/*.deb; do
        dpkg --extract "$package" "$1/docker"
    done
    rm -r "$apt"
}

# There is no registry to pull from: a Debian with Python stands in for the official image.
make_base_images() {
    local root=$1/root
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip "$base_release" "$root" "$mirror"
    ln -s /usr/bin/python3 "$root/usr/local/bin/python"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"  # for indexes behind this machine's proxy
    commit_image "$1" base
    chroot "$root" apt-get update
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends git
    commit_image "$1" base-git
    rm -r "$root"
}

commit_image() {
    local root=$1/root storage=(--root "$1/storage" --runroot "$1/run" --storage-driver vfs)
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
    local container
    container=$(buildah "${storage[@]}" from scratch)
    buildah "${storage[@]}" add --quiet "$container" "$root" /
    buildah "${storage[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        --cmd python3 "$container"
    buildah "${storage[@]}" commit --quiet --timestamp 0 "$container" "docker-archive:$1/$2.tar:localhost/$2:3.11"
    buildah "${storage[@]}" rm "$container"
    rm -r "$1/storage" "$1/run"
}

main() {
    install_programs
    if [ ! -d "$folder" ]; then
        mkdir -p "$cache"
        local making
        making=$(mktemp -d "$cache/making-XXXXXX")
        trap "rm -rf '$making'" EXIT
        unpack_newer_docker "$making"
        make_base_images "$making"
        mv -T "$making" "$folder"
        trap - EXIT
    fi
}

main >&2
echo "$folder"
