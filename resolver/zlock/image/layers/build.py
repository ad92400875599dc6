"""Puts one image together: what its target lacks is made and given, and nothing else is fetched or made."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from zlock.image.layers.assemble import Assembled, assemble, descriptor_of, image_of, passed_on, room_on
from zlock.image.layers.blob import Layer, pack_blob, write_blob
from zlock.image.layers.entry import Entry
from zlock.image.layers.environment import environment_entries, project_entries, settled_entries
from zlock.image.layers.flow import Flow
from zlock.image.layers.layer import Assembly, Find, check_places
from zlock.image.layers.packing import pack
from zlock.image.layers.stage import Stage, WantedLayer
from zlock.image.layers.store import LayerStore
from zlock.image.layers.target import LayerSink
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.reading.compression import telling_damage
from zlock.image.reading.sources import UNPACKED, OpenImage, RegistryImage
from zlock.image.registry.manifest import Descriptor, broken
from zlock.model.image import WORKING_FOLDER
from zlock.process import Watch

_AT_ONCE = 4  # layers that are made and sent at a time
_ANNOTATION = "org.opencontainers.image"
Double = tuple[str, str, str]
"""A path that two packages have with different content, and these, the one that counts last."""


class Workbench(Struct, frozen=True, kw_only=True):
    """What the images of a run are put together with.

    Attributes:
        store: The layers that this machine has made.
        created: When images say they were made (RFC 3339).
    """

    store: LayerStore
    created: str

    def put_together(
        self, plan: ImagePlan, parent: OpenImage, find: Find, target: LayerSink, watch: Watch
    ) -> tuple[Assembled, list[Double]]:
        """Give all of an image to a target but its manifest; return the image, and what two of its packages have.

        Raises:
            NoAnswer: The parent has layers that can't be passed on, or too many.
            InvalidInput: A wheel can't be installed, or not beside the others.
            OutsideFailed: Something can't be had, made or given.
            CommandStopped: The watch ended it.
        """
        assembly = plan.assembly
        if assembly is None:
            raise AssertionError("an engine builds it")
        names = parent.found.layers
        room = room_on(len(names) + bool(assembly.project), plan.parent.reference)
        wanted, flow = list(_layers(assembly, room, find, watch)), Flow(watch)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                below = pool.map(lambda position: self._pass_on(parent, position, target, flow), range(len(names)))
                above = pool.map(lambda one: self._deliver(one, target, flow), wanted)
                layers = [*below], [*above]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        doubles = check_places([layer.files for layer in layers[1]])
        named = [(one.name, layer) for one, layer in zip(wanted, layers[1], strict=True)]
        labels = {
            KEY_LABEL: plan.key,
            f"{_ANNOTATION}.created": self.created,
            f"{_ANNOTATION}.base.digest": plan.parent.digest,
        }
        image = assemble(parent.found.config, layers[0], named, assembly, labels=labels, created=self.created)
        _put_config(image, target)
        return image, doubles

    def put_stage(self, stage: Stage, target: LayerSink, watch: Watch) -> Assembled:
        """Give all of a base image with what an engine has put on it to a target but its manifest.

        Raises:
            NoAnswer: The base image has layers that can't be passed on.
            OutsideFailed: Something can't be had or given.
            CommandStopped: The watch ended it.
        """
        flow = Flow(watch)
        layers = [self._pass_on(stage, position, target, flow) for position in range(len(stage.found.layers))]
        image = image_of(stage.config, layers)
        _put_config(image, target)
        return image

    def _deliver(self, wanted: WantedLayer, target: LayerSink, flow: Flow) -> Layer:
        """Make sure that a target has a layer; one that it has is not made, if it is known what it would be."""
        with self.store.turn(wanted.key):
            layer = self.store.recall(wanted.key)
            if layer is not None and target.has(descriptor_of(layer)):
                return layer
            if layer is None or not self.store.has(layer):
                with flow.making(wanted.name):
                    layer = self.store.make(wanted.key, wanted.write)
        points, path = descriptor_of(layer), self.store.path(layer)
        if not target.has(points):
            flow.begin(wanted.name, layer.size, comes=False)
            target.put(points, lambda: flow.counted(path.open("rb")))
        return layer

    def _pass_on(self, parent: OpenImage, position: int, target: LayerSink, flow: Flow) -> Descriptor:
        """Make sure that a target has a layer of the parent."""
        found, beside = parent.found, ""
        name = f"the base image, {position + 1} of {len(found.layers)}"
        if isinstance(parent, Stage):
            if position == len(parent.base.found.layers):
                return descriptor_of(self._deliver(parent.wanted, target, flow))
            parent = parent.base
        if isinstance(parent, RegistryImage):
            beside, parent = parent.reference.name, replace(parent, heard=flow.came)
        if found.layers[position].media_type != UNPACKED:
            one = passed_on(found.layers[position], found.name)
            if not target.has(one):
                flow.begin(name, one.size, comes=bool(beside))
                target.put(one, lambda: flow.counted(parent.open_layer(position)), beside)
            return one
        diff_id = found.config.diff_ids[position]
        key = hashlib.sha256(f"parent {diff_id}".encode()).hexdigest()
        wanted = WantedLayer(name, key, lambda stream: _packed(parent, position, stream, flow.watch))
        return descriptor_of(self._deliver(wanted, target, flow))


def _put_config(image: Assembled, target: LayerSink) -> None:
    if not target.has(image.described):
        target.put(image.described, lambda: io.BytesIO(image.config))


def _packed(parent: OpenImage, position: int, stream: IO[bytes], watch: Watch) -> Layer:
    """Write a layer of an engine's store as registries keep them."""
    name = f"`{parent.found.name}`"
    with parent.open_layer(position) as source, telling_damage(name, f"its layer {position + 1}"):
        layer = pack_blob(source, stream, watch)
    if layer.diff_id != parent.found.config.diff_ids[position]:
        raise broken(name, f"its layer {position + 1} unpacks to {layer.diff_id}")
    return layer


def _layers(assembly: Assembly, room: int, find: Find, watch: Watch) -> Iterator[WantedLayer]:
    """Yield the layers on top of the parent's; what moves most often is last."""
    maker, owner = assembly.maker, assembly.facts.owner(assembly.owner)

    def fixed(name: str, entries: Sequence[Entry]) -> WantedLayer:
        rows = [one._replace(content=hashlib.sha256(b"".join(one.chunks())).hexdigest()) for one in entries]
        links = [one.content for one in entries if isinstance(one.content, str)]
        key = hashlib.sha256(repr([rows, links]).encode()).hexdigest()
        return WantedLayer(name, key, lambda stream: write_blob(entries, stream, watch))

    compiled_by = maker.compiler.version if maker.compiler else ""
    is_there = WORKING_FOLDER in assembly.facts.there
    settled = settled_entries(assembly.locked, owner, is_there=is_there, any_user=assembly.any_user)
    environment = environment_entries(maker.environment, assembly.facts, compiled_by)
    yield fixed("the environment", [*environment, *settled])
    for wheels in pack(assembly.wheels, room):
        name = ", ".join(f"{one.name} {one.version}" for one in wheels)
        yield WantedLayer(
            name,
            maker.key(wheels),
            lambda stream, wheels=wheels: maker.make(wheels, find, stream, watch),  # type: ignore[misc]  # the default binds it
        )
    if assembly.project:
        entries = project_entries(assembly.project, assembly.owner, owner, any_user=assembly.any_user)
        yield fixed("the project's files", entries)
