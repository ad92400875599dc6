"""Projects whose module has another name: what a person means who requires the name that is imported."""

from __future__ import annotations

from collections.abc import Collection

from packaging.utils import NormalizedName

# Where the project is called `python-` and the module, or the like, the popular names tell.
_PROJECTS = {
    "airflow": "apache-airflow", "attr": "attrs", "beam": "apache-beam", "bio": "biopython", "bs4": "beautifulsoup4",
    "cairo": "pycairo", "community": "python-louvain", "corsheaders": "django-cors-headers", "crypto": "pycryptodome",
    "cv2": "opencv-python-headless", "dns": "dnspython", "environ": "django-environ", "faiss": "faiss-cpu",
    "fitz": "pymupdf", "gi": "pygobject", "git": "gitpython", "googleapiclient": "google-api-python-client",
    "grpc": "grpcio", "imblearn": "imbalanced-learn", "jose": "python-jose", "jwt": "pyjwt", "magic": "python-magic",
    "mpl-toolkits": "matplotlib", "mysqldb": "mysqlclient", "nacl": "pynacl", "opencv": "opencv-python-headless",
    "osgeo": "gdal", "pil": "pillow", "pkg-resources": "setuptools",
    "pylab": "matplotlib", "pythonjsonlogger": "python-json-logger", "pywt": "pywavelets",
    "rest-framework": "djangorestframework", "ruamel": "ruamel-yaml", "shapefile": "pyshp", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "snowflake": "snowflake-connector-python", "telegram": "python-telegram-bot",
    "umap": "umap-learn", "websocket": "websocket-client", "whisper": "openai-whisper", "win32api": "pywin32",
    "win32com": "pywin32", "wx": "wxpython", "zmq": "pyzmq",
}  # fmt: skip
_FORMS = ("python-{}", "py{}", "{}-python", "python{}")


def project_of(module: NormalizedName, known: Collection[str]) -> str:
    """Return the project that has a module, empty where none is known by that name.

    Args:
        module: The name of the module, normalized as a project's.
        known: Names of projects.
    """
    found = _PROJECTS.get(module, "")
    return found or next((name for form in _FORMS if (name := form.format(module)) in known), "")
