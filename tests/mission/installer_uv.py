from zlock import DockerSettings, pipeline

docker_settings = DockerSettings(python_package_installer="uv")

@pipeline(settings={"docker": docker_settings})
def my_pipeline():
    ...
