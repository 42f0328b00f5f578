"""Which layer is which: insertions, renames, wraps and replacements are told as what they are."""

import time
from typing import Any

import pytest
from growing import block, grow, linear, norm, plain

from nnreport.compare.forest import Forest
from nnreport.compare.layers import checkpoint_problem, layer_changes
from nnreport.compare.match import match
from nnreport.facts import Facts, Tree


def told(old: Tree, new: Tree) -> list[tuple[str, str | None, str | None]]:
    a, b = Forest(old), Forest(new)
    return [(each.kind, each.old, each.new) for each in layer_changes(a, b, match(a, b))]


def words(old: Tree, new: Tree) -> list[str]:
    a, b = Forest(old), Forest(new)
    return [word for each in layer_changes(a, b, match(a, b)) for word in each.changes]


NET: dict[str, Any] = {"fc1": linear(784, 128), "relu": plain("ReLU"), "fc2": linear(128, 10)}


def test_the_same_model_has_no_changes():
    deep = {"stem": linear(3, 8), "blocks": [block(8) for _ in range(5)], "head": linear(8, 2)}
    assert told(grow(NET), grow(NET)) == []
    assert told(grow(deep), grow(deep, package="elsewhere.model")) == []


def test_a_narrower_layer_is_reshaped_and_the_settings_say_how():
    slim = NET | {"fc1": linear(784, 64), "fc2": linear(64, 10)}
    assert told(grow(NET), grow(slim)) == [("reshaped", "fc1", "fc1"), ("reshaped", "fc2", "fc2")]
    assert words(grow(NET), grow(slim)) == ["out_features 128 → 64", "in_features 128 → 64"]


def test_a_bias_that_goes_is_named():
    assert words(grow(NET), grow(NET | {"fc2": linear(128, 10, bias=False)})) == ["bias removed"]


@pytest.mark.parametrize("at", [0, 2, 5])
def test_an_insertion_in_a_sequential_is_one_insertion(at: int):
    layers = [linear(8, 8 + i) for i in range(5)]
    longer = [*layers[:at], norm(8), *layers[at:]]
    found = told(grow({"net": layers}), grow({"net": longer}))
    assert ("added", None, f"net.{at}") in found
    assert {kind for kind, _, _ in found} <= {"added", "renumbered"}
    assert sum(kind == "renumbered" for kind, _, _ in found) == 5 - at


def test_a_removed_block_among_equal_ones_is_one_removal():
    found = told(grow({"blocks": [block(8)] * 30}), grow({"blocks": [block(8)] * 29}))
    assert found == [("removed", "blocks.29", None)]


def test_a_removed_block_among_unequal_ones_is_that_one():
    blocks = [block(8 + i) for i in range(6)]
    found = told(grow({"blocks": blocks}), grow({"blocks": blocks[:2] + blocks[3:]}))
    assert found[0][:2] == ("removed", "blocks.2") or ("removed", "blocks.2", None) in found
    assert [each for each in found if each[0] not in ("removed", "renumbered")] == []


def test_an_activation_that_is_replaced_is_another_class_not_two_changes():
    found = told(
        grow({"net": [linear(4, 8), plain("ReLU"), linear(8, 2)]}), grow({"net": [linear(4, 8), plain("GELU"), linear(8, 2)]})
    )
    assert found == [("retyped", "net.1", "net.1")]
    assert told(grow(NET), grow(NET | {"relu": plain("GELU")})) == [("retyped", "relu", "relu")]


def test_norm_and_another_activation_at_once():
    old = [linear(4, 8), plain("ReLU"), linear(8, 2)]
    new = [linear(4, 8), norm(8), plain("GELU"), linear(8, 2)]
    found = told(grow({"net": old}), grow({"net": new}))
    assert ("added", None, "net.1") in found
    assert ("retyped", "net.1", "net.2") in found


def test_a_setting_without_a_shape_is_an_alteration():
    old, new = grow({"drop": plain("Dropout", p=0.1)}), grow({"drop": plain("Dropout", p=0.5)})
    assert told(old, new) == [("altered", "drop", "drop")]
    assert words(old, new) == ["p 0.1 → 0.5"]


def test_a_renamed_layer_and_a_renamed_container_are_renamed_once():
    renamed = {"hidden": NET["fc1"], "relu": NET["relu"], "fc2": NET["fc2"]}
    assert told(grow(NET), grow(renamed)) == [("renamed", "fc1", "hidden")]
    old, new = {"encoder": [block(8), block(9)]}, {"backbone": [block(8), block(9)]}
    assert told(grow(old), grow(new)) == [("renamed", "encoder", "backbone")]


def test_a_container_that_is_renamed_and_changed_inside():
    old, new = {"encoder": [block(8)] * 4}, {"backbone": [block(8)] * 5}
    assert told(grow(old), grow(new)) == [("renamed", "encoder", "backbone"), ("added", None, "backbone.4")]


def test_a_wrapped_model_is_moved_not_rebuilt():
    found = told(grow({"a": [block(8)] * 3, "b": linear(8, 2)}), grow({"inner": {"a": [block(8)] * 3, "b": linear(8, 2)}}))
    assert found == [("added", None, "inner"), ("renamed", "a", "inner.a"), ("renamed", "b", "inner.b")]


def test_layers_that_have_nothing_in_common_are_not_one():
    assert told(grow({"a": linear(4, 4)}), grow({"b": linear(5, 6)})) == [("removed", "a", None), ("added", None, "b")]


def test_an_added_container_stands_for_what_is_inside():
    a, b = Forest(grow(NET)), Forest(grow(NET | {"extra": [block(8), block(8)]}))
    (change,) = layer_changes(a, b, match(a, b))
    assert (change.kind, change.new, change.inside) == ("added", "extra", 10)
    assert change.parameters == b.modules["extra"].total


def test_frozen_and_no_longer_called():
    assert words(grow(NET), grow(NET, frozen=("fc1",))) == ["frozen"]
    assert words(grow(NET, frozen=("fc1",)), grow(NET)) == ["no longer frozen"]
    idle = grow(NET)
    idle.modules[1].calls = 0
    a, b = Forest(grow(NET)), Forest(idle)
    assert [each.changes for each in layer_changes(a, b, match(a, b), calls=True)] == [["no longer called"]]


def test_a_list_that_became_a_module_list():
    old, new = grow(NET), grow(NET | {"convs": [linear(3, 5), linear(5, 7)]})
    for i, (fan_in, fan_out) in enumerate(((3, 5), (5, 7))):
        module = next(each for each in new.modules if each.path == f"convs.{i}")
        settings = {"in_features": fan_in, "out_features": fan_out}
        loose = type(module)(path=f"convs[{i}]", cls=module.cls, parent="", settings=settings, registered=False)
        loose.parameters = loose.total = module.total
        old.modules.append(loose)
    found = told(old, new)
    assert found == [("added", None, "convs"), ("altered", "convs[0]", "convs.0"), ("altered", "convs[1]", "convs.1")]


def test_a_state_dict_knows_no_classes_and_is_compared_by_its_shapes():
    bare = grow({"fc1": linear(784, 128), "fc2": linear(128, 10)})
    for module in bare.modules:
        module.cls, module.settings = "Module", {}
    a, b = Forest(bare, bare=True), Forest(grow(NET), bare=True)
    assert layer_changes(a, b, match(a, b)) == []
    c = Forest(grow(NET | {"fc2": linear(128, 11)}), bare=True)
    assert [each.changes for each in layer_changes(a, c, match(a, c))] == [["weight 10×128 → 11×128", "bias 10 → 11"]]


def test_whether_a_checkpoint_of_the_old_model_still_loads():
    facts = [Facts(tree=grow(net)) for net in (NET, NET | {"fc2": linear(128, 11)}, NET | {"more": linear(2, 2)})]
    assert checkpoint_problem(facts[0], facts[0]) == ""
    assert checkpoint_problem(facts[0], facts[1]) == "2 tensors of another shape"
    assert checkpoint_problem(facts[0], facts[2]) == "2 keys missing"
    assert checkpoint_problem(facts[2], facts[0]) == "2 keys unexpected"


def test_ten_thousand_layers_take_seconds():
    old = grow({"layers": [linear(8, 1 + i % 7) for i in range(5000)]})
    new = grow({"layers": [linear(8, 1 + i % 7) for i in range(5000) if i % 500 != 3]})
    start = time.perf_counter()
    found = told(old, new)
    assert time.perf_counter() - start < 10
    assert sum(kind == "removed" for kind, _, _ in found) == 10
    assert not [each for each in found if each[0] in ("reshaped", "retyped", "added")]


def test_a_long_sequential_of_which_every_layer_is_wider_is_reshaped_not_rebuilt():
    old, new = grow({"l": [linear(8, 1 + i) for i in range(600)]}), grow({"l": [linear(8, 1001 + i) for i in range(600)]})
    assert {kind for kind, _, _ in told(old, new)} == {"reshaped"}
