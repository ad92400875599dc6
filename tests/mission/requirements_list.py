from zlock import DockerSettings, pipeline

docker_settings = DockerSettings(requirements=["torch==1.12.0", "torchvision"])

@pipeline(settings={"docker": docker_settings})
def my_pipeline():
    ...
