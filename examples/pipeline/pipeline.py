"""Two steps that can't share an environment: the model was trained with pandas 1, the report needs pandas 2."""

from zlock import DockerSettings, pipeline, step

docker_settings = DockerSettings(requirements=["httpx>=0.27", "pydantic>=2.7"], apt_packages=["git"])


@step(settings={"docker": DockerSettings(requirements=["pandas<2", "numpy<2", "scikit-learn<1.5"])})
def train():
    """Train the model."""


@step(settings={"docker": DockerSettings(requirements=["pandas>=2.2", "matplotlib"], python_package_installer="uv")})
def report(model):
    """Draw the report."""


@step
def notify(report):
    """Tell people, with the pipeline's own settings."""


@pipeline(settings={"docker": docker_settings})
def training():
    """Train, report, notify."""
    notify(report(train()))
