"""Initialisation and signal flow on facts written by hand: a sick and a healthy set for each check."""

from probing import Experiments, Facts, OutputInfo, TensorInfo, chain, held, net, probe, run, tree, weight

from nnreport.facts import ParameterSeries, Weights

FLAT = [2.3] * 31
FALLING = [2.3 - 0.05 * i for i in range(31)]


def growing(factor: float, depth: int = 6) -> Facts:
    """Linear layers whose output is ``factor`` times their input."""
    stats = [weight(f"l{i}") for i in range(depth)]
    facts = net(stats)
    scale = 1.0
    for node in facts.graph.nodes:
        node.input_ranges = [held(-scale, scale, 0.0, scale)] if node.inputs else []
        if node.name == "linear":
            scale *= factor
        node.output_range = held(-scale, scale, 0.0, scale)
    return facts


def test_activations_that_grow_tenfold_a_layer_explode() -> None:
    (finding,) = run("activation-explosion", growing(10.0))
    assert finding.evidence["ratio"] > 1e3
    assert len(finding.modules) == 6


def test_a_growth_of_two_a_layer_and_a_checkpoint_are_fine() -> None:
    assert run("activation-explosion", growing(2.0)) == []
    trained = growing(10.0)
    trained.weights.fresh = False
    assert run("activation-explosion", trained) == []


def test_one_head_in_other_units_is_no_explosion() -> None:
    facts = growing(1.0)
    facts.graph.nodes[-2].output_range = held(-1e5, 1e5, 0.0, 1e5)
    assert run("activation-explosion", facts) == []


def test_weights_of_std_one_are_too_large_for_256_inputs() -> None:
    facts = net([weight("a", 256, 256, 1.0), weight("b", 8, 256, 0.05)])
    for node in facts.graph.nodes[1:2]:
        node.input_ranges, node.output_range = [held(-2, 2, 0, 1)], held(-50, 50, 0, 16)
    (finding,) = run("large-init", facts)
    assert finding.module == "a"
    assert finding.evidence["ratio"] > finding.evidence["limit"]


def test_large_weights_before_a_norm_or_on_sparse_inputs_are_fine() -> None:
    stats = [weight("a", 256, 256, 1.0), weight("b", 8, 256, 0.05)]
    normed = chain("linear", "layer_norm", "relu", "linear", modules=("a", "n", "r", "b"))
    assert run("large-init", net(stats, graph=normed)) == []
    sparse = net(stats)
    sparse.graph.nodes[1].input_ranges = [held(0, 1, 0.004, 0.06)]
    sparse.graph.nodes[1].output_range = held(-0.2, 0.2, 0, 0.06)
    assert run("large-init", sparse) == []
    embedding = net(stats, tree=tree(stats, kind="Embedding"))
    assert run("large-init", embedding) == []


def test_tiny_hidden_weights_are_named_and_tiny_heads_are_not() -> None:
    sick = net([weight("a", std=1e-5), weight("b")], probe=probe(FLAT), experiments=Experiments(longer_losses=FLAT * 5))
    (finding,) = run("small-init", sick)
    assert finding.module == "a"
    head = net([weight("a"), weight("b", std=1e-5)], probe=probe(FLAT))
    assert run("small-init", head) == []
    learns = net([weight("a", std=1e-5), weight("b")], probe=probe(FALLING))
    assert run("small-init", learns) == []


def test_twenty_thousandths_is_no_small_init() -> None:
    assert run("small-init", net([weight("a", 32, 32, 0.02), weight("b", 32, 32, 0.02)], probe=probe(FLAT))) == []


def test_zeros_are_a_trap_only_where_no_gradient_ever_came() -> None:
    zero = {"std": 0.0, "minimum": 0.0, "maximum": 0.0, "norm": 0.0}
    stats = [weight("a", **zero), weight("b", **zero)]
    stuck = [ParameterSeries(name=f"{each}.weight", gradient=[0.0] * 5, zero_steps=5, steps=5) for each in "ab"]
    (finding,) = run("constant-init", net(stats, probe=probe(FLAT, parameters=stuck)))
    assert finding.severity == "error"
    moving = [ParameterSeries(name=f"{each}.weight", gradient=[0.0, 0.1, 0.1, 0.1, 0.1], zero_steps=1, steps=5) for each in "ab"]
    assert run("constant-init", net(stats, probe=probe(FLAT, parameters=moving))) == []


def test_a_constant_head_or_a_single_output_is_fine() -> None:
    same = {"std": 0.0, "minimum": 0.1, "maximum": 0.1}
    assert run("constant-init", net([weight("a"), weight("b", **same)], probe=probe(FLAT))) == []
    assert run("constant-init", net([weight("a"), weight("b", 1, 64, **same)], probe=probe(FLAT))) == []
    (finding,) = run("constant-init", net([weight("a", **same), weight("b", **same)], probe=probe(FLAT)))
    assert finding.severity == "error"


def spreads(*values: float) -> dict[str, float]:
    return {f"l{i}": value for i, value in enumerate(values)}


def test_a_signal_that_fades_with_depth_vanishes_unless_the_net_learns() -> None:
    fading = Experiments(initial_spread=spreads(0.8, 0.1, 1e-2, 1e-3, 1e-4), output_spread=1e-5)
    stats = [weight(f"l{i}") for i in range(5)]
    (finding,) = run("vanishing-signal", net(stats, probe=probe(FLAT), experiments=fading))
    assert finding.module == "l2"
    assert run("vanishing-signal", net(stats, probe=probe(FALLING), experiments=fading)) == []
    steady = Experiments(initial_spread=spreads(0.8, 0.7, 0.7, 0.6, 0.6), output_spread=0.5)
    assert run("vanishing-signal", net(stats, probe=probe(FLAT), experiments=steady)) == []


def test_logits_within_rounding_have_collapsed_unless_the_head_is_zero() -> None:
    stats = [weight(f"l{i}") for i in range(5)]
    collapsed = Experiments(initial_spread=spreads(0.8, 1e-2, 1e-4, 1e-6, 1e-8), output_spread=2e-8, longer_losses=FLAT * 5)
    (finding,) = run("logit-collapse", net(stats, probe=probe(FLAT), experiments=collapsed))
    assert finding.severity == "error"
    assert finding.module == "l4"
    zero = [*stats[:-1], weight("l4", std=0.0, minimum=0.0, maximum=0.0)]
    assert run("logit-collapse", net(zero, probe=probe(FLAT), experiments=collapsed)) == []
    train_mode = Experiments(output_spread=1e-9, output_spread_train=0.6)
    assert run("logit-collapse", net(stats, probe=probe(FLAT), experiments=train_mode)) == []


def test_the_first_loss_against_a_blind_guess() -> None:
    wild = OutputInfo(tensor=TensorInfo(shape=[16, 10], dtype="float32"), range=held(-90, 90))
    (finding,) = run("initial-loss", net([weight("a"), weight("b")], probe=probe([95.0, 60.0, 40.0], output=wild)))
    assert finding.module == "b"
    assert round(finding.evidence["uniform_guess"], 3) == 2.303
    assert run("initial-loss", net([weight("a")], probe=probe([3.3, 3.0, 2.9]))) == []  # a He-initialised head
    added = probe([9.0, 8.0, 7.0])  # outputs between −1 and 1 cannot cost so much: another term does
    assert run("initial-loss", net([weight("a")], probe=added)) == []
    summed = probe([2.4 * 16, 30.0, 20.0])
    assert run("initial-loss", net([weight("a")], probe=summed)) == []
    assert run("initial-loss", net([weight("a")], probe=probe([95.0, 60.0], kind="mse", output=wild))) == []
    pretrained = net([weight("a")], probe=probe([95.0, 60.0], output=wild))
    pretrained.weights = Weights(stats=pretrained.weights.stats, fresh=False)
    assert run("initial-loss", pretrained) == []


def test_the_models_own_loss_counts_the_last_axis() -> None:
    output = OutputInfo(tensor=TensorInfo(shape=[4, 12, 120], dtype="float32"), range=held(-1, 1))
    assert run("initial-loss", net([weight("a")], probe=probe([4.9, 4.8], output=output, source="model"))) == []
