"""Four steps, three images: `train` and `evaluate` ask for the same, each in its own words."""

from zlock import DockerSettings, pipeline, step

docker_settings = DockerSettings(requirements=["pandas>=2.2"], python_package_installer_args={"timeout": 1000})


@step
def load():
    """Read the data, with the pipeline's own settings."""


@step(settings={"docker": DockerSettings(requirements=["pandas>=2.2", "scikit-learn>=1.5"])})
def train(data):
    """Fit a model."""


@step(settings={"docker": DockerSettings(requirements=["Scikit_Learn >= 1.5", "pandas >= 2.2"])})
def evaluate(model, data):
    """Score it."""


@step(settings={"docker": DockerSettings(requirements=["matplotlib>=3.9"], environment={"MPLBACKEND": "agg"})})
def report(scores):
    """Draw the scores."""


@pipeline(settings={"docker": docker_settings})
def training():
    """Load, train, evaluate, report."""
    data = load()
    report(evaluate(train(data), data))
