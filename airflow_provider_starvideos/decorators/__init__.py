"""TaskFlow decorators: ``@task.starvideos_create`` and ``@task.starvideos_batch``."""
