"""Models that nobody here wrote: the whole graph of each, and each left as it was."""

import pytest
import torch
from tracing import fingerprint, traced

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
TOKENS = {"vocab_size": 50, **SMALL}


def ids() -> torch.Tensor:
    return torch.arange(12)[None] * 3 % 50


def image() -> torch.Tensor:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def make(name: str, config: str, **settings: object) -> torch.nn.Module:
    return getattr(transformers, name)(getattr(transformers, config)(**settings))


MODELS = {
    "bert": (lambda: make("BertForSequenceClassification", "BertConfig", **TOKENS), {"input_ids": ids()}),
    "gpt2": (lambda: make("GPT2LMHeadModel", "GPT2Config", vocab_size=50, n_embd=32, n_layer=2, n_head=4), {"input_ids": ids()}),
    "vit": (
        lambda: make("ViTForImageClassification", "ViTConfig", image_size=32, patch_size=8, **SMALL),
        {"pixel_values": image()},
    ),
    "convnext": (
        lambda: make("ConvNextForImageClassification", "ConvNextConfig", hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 2, 1]),
        {"pixel_values": image()},
    ),
    "wav2vec2": (
        lambda: make(
            "Wav2Vec2ForCTC", "Wav2Vec2Config", **TOKENS, conv_dim=(16, 16), conv_stride=(5, 2), conv_kernel=(10, 3),
            num_feat_extract_layers=2, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        ),
        {"input_values": torch.randn(1, 800, generator=torch.Generator().manual_seed(0))},
    ),
    "t5": (
        lambda: make(
            "T5ForConditionalGeneration", "T5Config", vocab_size=50, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
            decoder_start_token_id=0,
        ),
        {"input_ids": ids(), "decoder_input_ids": ids()},
    ),
    "llama": (lambda: make("LlamaForCausalLM", "LlamaConfig", num_key_value_heads=2, **TOKENS), {"input_ids": ids()}),
    "mixtral": (
        lambda: make("MixtralForCausalLM", "MixtralConfig", num_key_value_heads=2, num_local_experts=4, **TOKENS),
        {"input_ids": ids()},
    ),
}  # fmt: skip
WITNESSED = {"gpt2", "vit", "convnext", "t5", "llama", "mixtral"}
"""Those that torchview sees whole; it misses BERT's position embeddings (fed by a buffer) and Wav2Vec2's parametrization."""


def hooked_calls(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, int]:
    """Calls per module, counted on the modules themselves: independent of the recorder."""
    counts: dict[str, int] = {}
    handles = []
    for path, module in model.named_modules():

        def hook(module: torch.nn.Module, args: object, path: str = path) -> None:
            counts[path] = counts.get(path, 0) + 1

        handles.append(module.register_forward_pre_hook(hook))
    training = model.training
    with torch.no_grad():
        model.eval()(**{name: value.clone() for name, value in inputs.items()})
    model.train(training)
    for handle in handles:
        handle.remove()
    return counts


@pytest.mark.parametrize("name", MODELS)
def test_a_whole_graph(name):
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    model = build()
    counts = hooked_calls(model, inputs)
    before = fingerprint(model)
    found, tree = traced(model, **inputs)
    graph = found.graph
    assert fingerprint(model) == before
    assert graph.complete
    assert not found.failures
    assert not found.notes
    assert not tree.stray
    assert found.reach.none == []
    assert tree.total == sum(parameter.numel() for parameter in model.parameters())
    assert {module.path: module.calls for module in tree.modules if module.calls} == counts
    assert (graph.witness.state == "agrees") == (name in WITNESSED), graph.witness.detail
    assert graph.flops > 0
    assert not graph.uncounted
    above: set[int] = set()
    for node in reversed(graph.nodes):
        if node.kind == "output" or node.id in above:
            above.update(node.inputs)
    assert all(node.id in above for node in graph.nodes if node.kind == "input")
    linears = [node for node in graph.nodes if node.name in ("linear", "addmm", "conv2d")]
    assert all(node.id in above for node in linears)
    assert all(node.location is not None and node.location.path.startswith("transformers/") for node in linears if node.location)
    assert all(node.output_range is not None for node in linears)


def test_equal_blocks_have_equal_signatures():
    _, tree = traced(MODELS["llama"][0](), **MODELS["llama"][1])
    blocks = {module.signature for module in tree.modules if module.name == "LlamaDecoderLayer"}
    assert len(blocks) == 1
