from zlock import DockerSettings, pipeline

docker_settings = DockerSettings(requirements="requirements.txt")

@pipeline(settings={"docker": docker_settings})
def my_pipeline():
    ...
