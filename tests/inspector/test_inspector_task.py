"""Tasks: Hugging Face models with their own losses, data of the user's, and what is left untouched."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from probe_helpers import Batches, Classifier, noise, probe_of, task_of, tokens
from torch import nn

from nnreport.errors import UsageError

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def tiny(name: str) -> tuple[nn.Module, Any]:
    """A tiny random model of transformers and its inputs."""
    transformers = pytest.importorskip("transformers")
    ids = tokens(90, 8, 12)
    if name == "bert":
        config = transformers.BertConfig(**SMALL, vocab_size=99, num_labels=3)
        return transformers.BertForSequenceClassification(config), lambda: {"input_ids": ids()}
    if name == "bert-base":
        return transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=99)), lambda: {"input_ids": ids()}
    if name == "gpt2":
        config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=99, n_positions=32)
        return transformers.GPT2LMHeadModel(config), lambda: {"input_ids": ids()}
    if name == "t5":
        config = transformers.T5Config(
            d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, vocab_size=99, decoder_start_token_id=0
        )
        return transformers.T5ForConditionalGeneration(config), lambda: {
            "input_ids": ids(),
            "decoder_input_ids": tokens(90, 8, 7)(),
        }
    config = transformers.ViTConfig(**SMALL, image_size=32, patch_size=8, num_labels=4)
    return transformers.ViTForImageClassification(config), lambda: {"pixel_values": torch.randn(8, 3, 32, 32)}


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5", "vit"])
def test_hugging_face_heads_train_with_their_own_loss(name: str) -> None:
    torch.manual_seed(0)
    probe, task = probe_of(*tiny(name), steps=12)
    assert (task.loss_info.name, task.loss_info.kind, task.loss_info.source) == ("model", "cross_entropy", "model")
    assert "labels" in task.data.first.kwargs
    assert probe.done == 12
    assert not task.failures
    assert float(probe.losses[-1]) < 0.97 * float(probe.losses[0])
    assert len(probe.eval_losses) == 2
    assert probe.output is not None
    assert probe.output.name == "logits"


def test_hugging_face_base_model_trains_its_pooler_too() -> None:
    probe, task = probe_of(*tiny("bert-base"), steps=3)
    assert task.objective.extras == ["pooler_output"]
    assert not any(s.none_steps for s in probe.parameters)


def test_labels_of_the_user_are_kept() -> None:
    model, make = tiny("bert")

    def labelled() -> Any:
        return {**make(), "labels": torch.arange(8) % 3}

    probe, task = probe_of(model, Batches(labelled), steps=2)
    assert task.data.first.kwargs["labels"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert task.loss_info.name == "model"
    assert probe.done == 2


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"loss": "cross_entropie"}, "did you mean cross_entropy"),
        ({"optimizer": "sdg"}, "did you mean SGD"),
        ({"optimizer": "sgd:momentun=1"}, "no argument 'momentun'"),
    ],
)
def test_wrong_usage(job: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        task_of(Classifier(), noise(4, 20), **job)


def test_files_of_the_user(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts.py").write_text(
        "import torch, torch.nn.functional as F\n"
        "def focal(output, target):\n    return F.cross_entropy(output, target) * 2\n"
        "def slow(parameters):\n    return torch.optim.SGD(parameters, lr=0.5)\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    task = task_of(Classifier(), noise(16, 20), loss="parts.py:focal", optimizer="parts.py:slow")
    assert (task.loss_info.name, task.loss_info.kind) == ("focal", "cross_entropy")
    assert task.loss_info.location is not None
    assert (task.loss_info.location.path, task.loss_info.location.line) == ("parts.py", 2)
    assert task.optimizer_info.learning_rate == 0.5
    with pytest.raises(UsageError, match="number"):
        task_of(Classifier(), noise(16, 20), loss="parts.py:number")
    with pytest.raises(UsageError):
        task_of(Classifier(), noise(16, 20), loss="parts.py:nothing")


def test_forward_that_fails_in_train_mode() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(20, 5)

        def forward(self, x: Any) -> Any:
            if self.training:
                raise ValueError("not today")
            return self.fc(x)

    probe, task = probe_of(Fails(), noise(16, 20))
    assert "train mode" in task.reason
    assert probe.reason == task.reason
    assert task.failures[0].message == "not today"


def test_fresh_batches_differ_and_have_targets() -> None:
    task = task_of(Classifier(), noise(16, 20))
    one, other = task.data.fresh(0), task.data.fresh(1)
    assert not torch.equal(one.args[0], other.args[0])
    assert one.target.shape == (16,)
    assert torch.equal(task.data.fresh(0).args[0], one.args[0])
