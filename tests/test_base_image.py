"""What the reference of a base image tells of it."""

from __future__ import annotations

import pytest

from zlock.model.base_image import BaseImage
from zlock.model.reference import ImageReference


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("python:2.7", BaseImage("2.7", is_musl=False, glibc=None, cuda=None)),
        ("python:3.12.4-slim-bookworm", BaseImage("3.12.4", is_musl=False, glibc=36, cuda=None)),
        ("python:3", BaseImage("", is_musl=False, glibc=None, cuda=None)),
        ("python:latest", BaseImage("", is_musl=False, glibc=None, cuda=None)),
        ("registry.example/mirror/python:3.10-alpine3.20", BaseImage("3.10", is_musl=True, glibc=None, cuda=None)),
        ("alpine:3.20", BaseImage("", is_musl=True, glibc=None, cuda=None)),
        ("debian:11-slim", BaseImage("", is_musl=False, glibc=31, cuda=None)),
        ("ubuntu:22.04", BaseImage("", is_musl=False, glibc=35, cuda=None)),
        ("nvidia/cuda:12.4.1-cudnn-runtime-ubuntu20.04", BaseImage("", is_musl=False, glibc=31, cuda=12)),
        ("pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime", BaseImage("", is_musl=False, glibc=None, cuda=12)),
        ("team/image:2024-py310-cu118", BaseImage("3.10", is_musl=False, glibc=None, cuda=11)),
        ("team/uv:0.5-python3.12-bookworm", BaseImage("3.12", is_musl=False, glibc=36, cuda=None)),
        ("team/custom:1.0", BaseImage("", is_musl=False, glibc=None, cuda=None)),
        ("team/image@sha256:" + "0" * 64, BaseImage("", is_musl=False, glibc=None, cuda=None)),
    ],
)
def test_names_and_tags_tell(reference: str, told: BaseImage) -> None:
    assert BaseImage.told_by(ImageReference.parse(reference)) == told
