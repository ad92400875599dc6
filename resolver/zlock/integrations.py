"""The names of the integrations, to import: `from zlock.integrations import PYTORCH`.

The names between the two marks are written by `scripts/integration_catalogue.py`; the rest is not.
"""

# mark: written by the script
AIRFLOW = "airflow"
ARGILLA = "argilla"
AWS = "aws"
AZURE = "azure"
B2 = "b2"
BASETEN = "baseten"
BENTOML = "bentoml"
COMET = "comet"
DATABRICKS = "databricks"
DEEPCHECKS = "deepchecks"
DIGITALOCEAN = "digitalocean"
DISCORD = "discord"
EVIDENTLY = "evidently"
FACETS = "facets"
FEAST = "feast"
GCP = "gcp"
GITHUB = "github"
GITLAB = "gitlab"
GREAT_EXPECTATIONS = "great_expectations"
HUGGINGFACE = "huggingface"
HYPERAI = "hyperai"
JAX = "jax"
KANIKO = "kaniko"
KUBEFLOW = "kubeflow"
KUBERNETES = "kubernetes"
LABEL_STUDIO = "label_studio"
LANGCHAIN = "langchain"
LIGHTGBM = "lightgbm"
LIGHTNING = "lightning"
MLFLOW = "mlflow"
MLX = "mlx"
MODAL = "modal"
NEPTUNE = "neptune"
NEURAL_PROPHET = "neural_prophet"
NUMPY = "numpy"
OPENAI = "openai"
OPEN_AI = "openai"
PANDAS = "pandas"
PIGEON = "pigeon"
PILLOW = "pillow"
POLARS = "polars"
PRODIGY = "prodigy"
PYCARET = "pycaret"
PYTORCH = "pytorch"
PYTORCH_L = "pytorch_lightning"
PYTORCH_LIGHTNING = "pytorch_lightning"
RUNAI = "runai"
S3 = "s3"
SCIPY = "scipy"
SELDON = "seldon"
SKLEARN = "sklearn"
SKYPILOT_AWS = "skypilot_aws"
SKYPILOT_AZURE = "skypilot_azure"
SKYPILOT_GCP = "skypilot_gcp"
SKYPILOT_KUBERNETES = "skypilot_kubernetes"
SKYPILOT_LAMBDA = "skypilot_lambda"
SLACK = "slack"
SPARK = "spark"
SSH = "ssh"
TEKTON = "tekton"
TENSORBOARD = "tensorboard"
TENSORFLOW = "tensorflow"
TRACKIO = "trackio"
TYPESAFE = "typesafe"
VLLM = "vllm"
WANDB = "wandb"
WHYLOGS = "whylogs"
XGBOOST = "xgboost"

# mark: written by hand

TYPE_CHECKING = False  # type checkers take it for true; importing it from `typing` would take longer than all the rest

if not TYPE_CHECKING:  # hidden from type checkers, which would else accept any name

    def __getattr__(name: str) -> str:
        """Name the close constants where one is unknown."""
        import difflib
        import sys

        close = difflib.get_close_matches(name.upper(), __dir__(), n=3)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        message = f"`{__name__}` has no integration {name}{meant}"
        if _imports(sys._getframe(1)):  # noqa: SLF001  the only way to see who asks
            # For an AttributeError, Python would show a message of its own here, without the close names.
            raise ImportError(message, name=__name__)
        raise AttributeError(message, name=name)

    def _imports(frame: object) -> bool:
        """Tell whether a frame is at a `from ... import`, and not at an attribute access."""
        import dis

        return frame.f_code.co_code[frame.f_lasti] == dis.opmap["IMPORT_FROM"]


def __dir__() -> list[str]:
    return [name for name in globals() if name.isupper()]


del TYPE_CHECKING  # which `from zlock.integrations import *` would bring too
