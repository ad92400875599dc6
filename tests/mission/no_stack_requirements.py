from zlock import DockerSettings, pipeline

docker_settings = DockerSettings(install_stack_requirements=False)

@pipeline(settings={"docker": docker_settings})
def my_pipeline():
    ...
