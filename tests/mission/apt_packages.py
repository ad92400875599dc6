from zlock import DockerSettings, pipeline

docker_settings = DockerSettings(apt_packages=["git"])

@pipeline(settings={"docker": docker_settings})
def my_pipeline():
    ...
