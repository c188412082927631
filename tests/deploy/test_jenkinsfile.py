"""The Jenkinsfile is a sound declarative pipeline: it checks before it builds, and a person lets it out."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.jenkinsfile import Block, complaints, read_blocks

SOURCE: Final = (Path(__file__).parents[2] / "Jenkinsfile").read_text(encoding="utf-8")


@pytest.fixture
def pipeline() -> Block:
    return read_blocks(SOURCE)[0]


def test_it_is_a_sound_declarative_pipeline() -> None:
    assert complaints(SOURCE) == []


def test_stages_come_in_order(pipeline: Block) -> None:
    # given
    stages = pipeline.child("stages")
    assert stages is not None
    # then
    assert [stage.argument for stage in stages.children] == ["Check", "Test", "Image", "Deploy"]


def test_a_person_decides_on_the_deployment_of_main(pipeline: Block) -> None:
    # given
    deploy = next(stage for stage in pipeline.every("stage") if stage.argument == "Deploy")
    asked, when = deploy.child("input"), deploy.child("when")
    # then
    assert asked is not None
    assert when is not None
    assert (asked.children[0].name, asked.children[0].argument) == ("message", "Put this build into production?")
    assert [(child.name, child.argument) for child in when.children] == [("beforeInput", ""), ("branch", "main")]


def test_a_deployment_is_never_cut_short_by_a_newer_push(pipeline: Block) -> None:
    # given
    [limit] = pipeline.every("disableConcurrentBuilds")
    # then
    assert limit.text == "disableConcurrentBuilds()"


def test_nobody_has_to_decide_in_a_hurry_and_nothing_runs_for_ever(pipeline: Block) -> None:
    # given
    everything, stages = pipeline.child("options"), list(pipeline.every("stage"))
    limits = {
        stage.argument: [limit.text.partition("{")[0].strip() for limit in stage.every("timeout")] for stage in stages
    }
    # then
    assert everything is not None
    assert everything.child("timeout") is None
    assert all(limits.values()), limits
    assert limits["Deploy"] == ["timeout(time: 1, unit: 'DAYS')", "timeout(time: 30, unit: 'MINUTES')"]


def test_what_tests_are_skipped_without_is_installed_before_them(pipeline: Block) -> None:
    # given
    [test] = [stage for stage in pipeline.every("stage") if stage.argument == "Test"]
    # then
    assert [block.argument for block in test.every("sh")] == [".ci/prepare", "./bookstore test"]


def test_scripts_that_it_runs_exist(pipeline: Block) -> None:
    # given
    commands = " ".join(block.argument for block in pipeline.every("sh"))
    # then
    for name in ("bookstore", ".ci/prepare", "tests/deploy/compose_proof.sh", "docker/deploy.sh"):
        assert name in commands
        assert os.access(Path(__file__).parents[2] / name, os.X_OK)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("agent any", "", "pipeline has no agent"),
        ("stages {", "stages {{", "not Groovy from line"),
        ("stage('Test')", "stage()", "a stage has no name"),
        (
            "steps {\n        sh '.ci/prepare'\n        sh './bookstore test'\n      }",
            "",
            "stage Test: needs exactly one of",
        ),
        ("      input {", "      inputs {", "stage Deploy: inputs may not stand here"),
        ("    always {", "    allways {", "post: allways may not stand here"),
    ],
)
def test_a_broken_pipeline_is_noticed(before: str, after: str, complaint: str) -> None:
    # given
    assert SOURCE.count(before) == 1
    # when
    found = complaints(SOURCE.replace(before, after))
    # then
    assert any(line.startswith(complaint) for line in found), found
