"""Hugging Face models are run without --input: their config says what they take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nnreport.inspector.feeding.inputs import find_sample

transformers = pytest.importorskip("transformers")

TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
BART = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "vocab_size": 99, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 2,
}  # fmt: skip


def build(name: str, config: str, **settings: Any) -> torch.nn.Module:
    return getattr(transformers, name)(getattr(transformers, config)(**settings)).eval()


MODELS = {
    "bert": lambda: build("BertModel", "BertConfig", **TINY, vocab_size=99),
    "gpt2": lambda: build("GPT2LMHeadModel", "GPT2Config", n_embd=32, n_layer=1, n_head=4, vocab_size=99),
    "vit": lambda: build("ViTForImageClassification", "ViTConfig", **TINY, image_size=32, patch_size=8),
    "resnet": lambda: build("ResNetModel", "ResNetConfig", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]),
    "t5": lambda: build("T5Model", "T5Config", d_model=32, d_ff=64, num_layers=1, num_heads=4, d_kv=8, vocab_size=99),
    "bart": lambda: build("BartForSequenceClassification", "BartConfig", **BART),
    "clip": lambda: build(
        "CLIPModel",
        "CLIPConfig",
        text_config={**TINY, "vocab_size": 99, "eos_token_id": 2},
        vision_config={**TINY, "image_size": 32, "patch_size": 8},
    ),
    "ast": lambda: build("ASTModel", "ASTConfig", **TINY, max_length=64, num_mel_bins=32),
    "wav2vec2": lambda: build(
        "Wav2Vec2Model",
        "Wav2Vec2Config",
        **TINY,
        conv_dim=[8] * 7,
        num_conv_pos_embedding_groups=4,
        num_conv_pos_embeddings=16,
    ),
}

EXPECTED = {
    "bert": {"input_ids": 2},
    "gpt2": {"input_ids": 2},
    "vit": {"pixel_values": 4},
    "resnet": {"pixel_values": 4},
    "t5": {"input_ids": 2, "decoder_input_ids": 2},
    "bart": {"input_ids": 2, "decoder_input_ids": 2},
    "clip": {"input_ids": 2, "pixel_values": 4},
    "ast": {"input_values": 3},
    "wav2vec2": {"input_values": 2},
}


@pytest.mark.parametrize("name", MODELS)
def test_the_config_says_what_the_model_takes(name: str) -> None:
    model = MODELS[name]()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    loaded: Any = SimpleNamespace(model=model, python=None)
    sample = find_sample(loaded, None, 0)
    assert {spec.name: len(spec.tensor.shape) for spec in sample.specs if spec.tensor} == EXPECTED[name]
    assert sample.batch == 2
    assert "config" in sample.specs[0].source
    with torch.no_grad():
        model(**sample.kwargs)
        model(**sample.widened(4, 1).kwargs)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_tokens_are_none_of_the_special_ones() -> None:
    loaded: Any = SimpleNamespace(model=MODELS["bart"](), python=None)
    ids = find_sample(loaded, None, 0).kwargs["input_ids"]
    assert ids[:, -1].tolist() == [2, 2]
    assert not set(ids[:, :-1].flatten().tolist()) & {0, 1, 2}
