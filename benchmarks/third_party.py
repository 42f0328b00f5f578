"""Runs nnreport over models that nobody here wrote (tiny configurations of transformers) and prints each loud finding.

    pip install transformers
    python benchmarks/third_party.py [NAME …]

Each line is either a true fault that can be argued for before the package's authors, or a defect of a check. Random weights,
made-up inputs, no network.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from typing import Any

import torch
import transformers
from torch import nn

import nnreport

SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "embedding_dim"), 32),
    **dict.fromkeys(("word_embed_proj_dim", "moe_intermediate_size", "max_source_positions", "image_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_decoder_layers", "num_key_value_heads", "type_vocab_size", "eos_token_id"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "num_local_experts", "num_experts"), 4),
    **dict.fromkeys(("head_dim", "d_kv", "patch_size"), 8),
    **dict.fromkeys(("intermediate_size", "d_ff", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "hidden_dim"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_target_positions"), 64),
    "vocab_size": 120,
    "rotary_dim": 8,
    "pad_token_id": 0,
    "embed_dim": 48,
    "bos_token_id": 1,
    "depths": [1, 1, 2, 1],
    "hidden_sizes": [16, 24, 32, 48],
    "use_cache": False,
}
"""Small values for the names that configurations share."""

SHORT_EARS: dict[str, Any] = {
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "mask_time_prob": 0.0,
    "apply_spec_augment": False,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
"""What the speech models need besides, to hear a fifth of a second."""
TOKENS = "8,16:int64[3,120)"
PIXELS = "8,3,32,32"
WAVES = "4,3200"
TEXT = (
    *("Bert", "Roberta", "Electra", "DistilBert", "Albert", "MobileBert", "Deberta", "DebertaV2", "MPNet", "RoFormer"),
    *("ConvBert", "Funnel", "Nystromformer", "GPT2", "GPTNeo", "GPTNeoX", "GPTJ", "OPT", "Bloom", "CodeGen", "Llama"),
    *("Mistral", "Qwen2", "Qwen3", "Gemma", "Gemma2", "Phi", "Phi3", "StableLm", "Falcon", "Mixtral", "Olmo", "Cohere"),
    *("Starcoder2", "Granite", "XGLM", "BioGpt", "Mamba"),
)
VISION = (
    *("ViT", "DeiT", "Beit", "ConvNext", "ConvNextV2", "ResNet", "RegNet", "Swin", "Swinv2", "MobileNetV1", "MobileNetV2"),
    *("PoolFormer", "Segformer", "ViTMAE", "Dinov2", "Bit", "PvtV2"),
)
SPEECH = ("Wav2Vec2", "Hubert", "WavLM", "UniSpeech")
PAIRS = ("T5", "MT5", "Bart", "MBart", "Pegasus", "LongT5", "Marian")


def small(name: str) -> Any:
    """A configuration of that family with small numbers."""
    base = getattr(transformers, f"{name}Config")
    fresh = base()
    known = {
        key: value
        for key, value in SMALL.items()
        if hasattr(fresh, key) and isinstance(getattr(fresh, key), list | tuple) == isinstance(value, list)
    }
    if name in SPEECH:
        known |= SHORT_EARS
    return base(**known)


def build(name: str) -> tuple[nn.Module, tuple[str, ...]]:
    """A tiny random model and the spelling of its inputs."""
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(small(name))
    if name in TEXT:
        return model, (f"input_ids={TOKENS}",)
    if name in VISION:
        return model, (f"pixel_values={PIXELS}",)
    if name in SPEECH:
        return model, (f"input_values={WAVES}",)
    return model, (f"input_ids={TOKENS}", f"decoder_input_ids={TOKENS}")


def main() -> None:
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    names = sys.argv[1:] or TEXT + VISION + SPEECH + PAIRS
    counts: Counter[str] = Counter()
    for name in names:
        start = time.perf_counter()
        try:
            model, inputs = build(name)
        except Exception as error:  # the family is not in this release, or wants more than small numbers
            print(f"     {name:<14} not built: {str(error).splitlines()[0][:90] if str(error) else type(error).__name__}")
            continue
        report = nnreport.inspect(model, *inputs)
        loud = [finding for finding in report.findings if finding.severity != "note"]
        counts["models"] += 1
        counts["with a loud finding"] += bool(loud)
        counts["with a failed stage"] += bool(report.failed_stages)
        print(f"{'LOUD' if loud else 'ok  '} {name:<14} {time.perf_counter() - start:5.1f} s", flush=True)
        for finding in loud:
            print(f"       {finding.severity}[{finding.check}] {finding.module}: {finding.message}")
        for stage in report.failed_stages:
            print(f"       stage {stage.name} {stage.state}: {stage.error}")
        for outcome in report.outcomes:
            if outcome.state == "failed":
                print(f"       check {outcome.check} failed: {outcome.reason}")
    print(dict(counts))


if __name__ == "__main__":
    main()
