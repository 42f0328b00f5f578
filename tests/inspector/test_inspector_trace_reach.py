"""What gradients reach, what cuts them off, and what is used without being registered."""

import torch
import torch.nn.functional as F
from torch import nn
from tracing import module, net, node, traced


def cut_of(found) -> list[tuple[str, str]]:
    nodes = found.graph.nodes
    return [(nodes[i].name, nodes[i].location.text) for i in found.reach.cuts]


def test_detach_is_named_with_what_it_cuts_off():
    def forward(self, x):
        h = F.relu(self.enc(x))
        h = h.detach()
        return self.head(h * 2)

    found, _ = traced(net(forward, enc=nn.Linear(4, 4), head=nn.Linear(4, 2)), torch.randn(2, 4))
    assert cut_of(found) == [("detach", "h = h.detach()")]
    assert found.reach.none == ["enc.weight", "enc.bias"]
    assert found.reach.cut_parameters == {str(found.reach.cuts[0]): ["enc.weight", "enc.bias"]}
    assert found.reach.inputs == {"x": False}


def test_a_no_grad_block_is_one_cut_at_its_end():
    def forward(self, x):
        h = self.a(x).relu()
        with torch.no_grad():
            h = self.b(h).relu()
            h = self.c(h).tanh()
        return self.d(h)

    found, _ = traced(net(forward, **{name: nn.Linear(4, 4) for name in "abcd"}), torch.randn(2, 4))
    assert cut_of(found) == [("linear", "h = self.c(h).tanh()")]
    assert found.reach.none == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"]


def test_argmax_round_and_item():
    found, _ = traced(
        net(lambda self, x: self.h(self.e(self.a(x).argmax(-1))), a=nn.Linear(4, 5), e=nn.Embedding(5, 4), h=nn.Linear(4, 2)),
        torch.randn(2, 4),
    )
    assert [name for name, _ in cut_of(found)] == ["argmax"]
    found, _ = traced(
        net(lambda self, x: self.h(torch.round(self.a(x))), a=nn.Linear(4, 4), h=nn.Linear(4, 2)), torch.randn(2, 4)
    )
    assert (found.reach.none, found.reach.zero) == ([], ["a.weight", "a.bias"])
    assert [name for name, _ in cut_of(found)] == ["round"]
    found, _ = traced(
        net(lambda self, x: self.h(x) * self.a(x).sum().item(), a=nn.Linear(4, 4), h=nn.Linear(4, 2)), torch.randn(2, 4)
    )
    assert [name for name, _ in cut_of(found)] == ["item"]


def test_a_hard_threshold_is_found_where_nothing_else_explains():
    found, _ = traced(
        net(lambda self, x: self.h((self.a(x) > 0).float()), a=nn.Linear(4, 4), h=nn.Linear(4, 2)), torch.randn(2, 4)
    )
    assert [name for name, _ in cut_of(found)] == ["gt"]


def test_masks_and_straight_through_are_no_cuts():
    def forward(self, x):
        h = self.a(x)
        h = h * (h > 0)
        h = h + (h.round() - h).detach()
        return self.h(h)

    found, _ = traced(net(forward, a=nn.Linear(4, 4), h=nn.Linear(4, 2)), torch.randn(2, 4))
    assert found.reach.none == found.reach.zero == found.reach.cuts == []


def test_unused_parts_have_no_cut():
    found, _ = traced(net(lambda self, x: self.a(x), a=nn.Linear(4, 4), idle=nn.Linear(4, 2)), torch.randn(2, 4))
    assert found.reach.none == ["idle.weight", "idle.bias"]
    assert found.reach.cuts == []


def test_softmax_outputs_are_not_zero_gradients():
    found, _ = traced(net(lambda self, x: self.a(x).softmax(-1), a=nn.Linear(4, 4)), torch.randn(2, 4))
    assert found.reach.zero == []


def test_zero_initialised_heads_give_zero_gradients_without_a_cut():
    head = nn.Linear(4, 2)
    nn.init.zeros_(head.weight)
    found, _ = traced(net(lambda self, x: self.h(self.a(x)), a=nn.Linear(4, 4), h=head), torch.randn(2, 4))
    assert found.reach.zero == ["a.weight", "a.bias"]
    assert found.reach.cuts == []


def test_idle_experts_are_reached_in_some_batch():
    def forward(self, x):
        chosen = self.router(x).argmax(-1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            rows = chosen == i
            if rows.any():
                out = out + expert(x) * rows[:, None]
        return out

    router = nn.Linear(4, 3, bias=False)
    nn.init.eye_(router.weight)  # the largest of the first three features chooses
    experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    found, tree = traced(net(forward, router=router, experts=experts), torch.tensor([[3.0, 0, 0, 0]]))
    assert [module(tree, f"experts.{i}").calls for i in range(3)] == [1, 0, 0]
    assert found.reach.none == ["router.weight"]


def test_frozen_parameters_are_not_missed():
    frozen = nn.Linear(4, 4)
    frozen.requires_grad_(False)
    found, _ = traced(net(lambda self, x: self.b(self.a(x)), a=frozen, b=nn.Linear(4, 2)), torch.randn(2, 4))
    assert found.reach.none == []


def test_modules_in_a_list_are_strays_in_use():
    model = net(lambda self, x: self.out(self.blocks[1](self.blocks[0](x)).relu() * self.gain), out=nn.Linear(4, 2))
    model.blocks = [nn.Linear(4, 4), nn.Linear(4, 4)]
    model.spare = [nn.Linear(4, 4)]
    model.gain = torch.ones(4, requires_grad=True)
    model.other = torch.ones(4)
    found, tree = traced(model, torch.randn(2, 4))
    assert {s.attribute: (s.kind, s.used) for s in tree.stray} == {
        "blocks[0]": ("module", True),
        "blocks[1]": ("module", True),
        "spare[0]": ("module", False),
        "gain": ("parameter", True),
        "other": ("tensor", False),
    }
    block = module(tree, "blocks[0]")
    assert (block.registered, block.holder, block.parent, block.calls) == (False, "blocks[0]", "", 1)
    assert node(found, "linear").module == "blocks[0]"
    assert node(found, "linear").parameters == ["?"]
    assert "blocks[0]" not in {parameter.module for parameter in tree.parameters}


def test_what_is_made_in_forward():
    def forward(self, x):
        layer = nn.Linear(4, 4)
        scale = nn.Parameter(torch.ones(4))
        return layer(self.a(x)) * scale

    _, tree = traced(net(forward, a=nn.Linear(4, 4)), torch.randn(2, 4))
    found = {s.kind: s for s in tree.stray}
    assert found["module"].in_forward
    assert found["module"].location.text == "layer = nn.Linear(4, 4)"
    assert found["module"].parameters == 20
    assert found["parameter"].in_forward
    assert found["parameter"].location.text == "scale = nn.Parameter(torch.ones(4))"
    assert module(tree, "Linear").registered is False


GLOBAL = torch.ones(4, requires_grad=True)


def test_a_leaf_found_only_in_the_autograd_graph():
    _, tree = traced(net(lambda self, x: self.a(x) * GLOBAL, a=nn.Linear(4, 4)), torch.randn(2, 4))
    (stray,) = tree.stray
    assert (stray.kind, stray.attribute, stray.in_forward, stray.shape) == ("parameter", "", False, [4])
    assert "GLOBAL" in stray.location.text


def test_constants_have_their_attributes_name():
    model = net(lambda self, x: self.a(x) * self.scale, a=nn.Linear(4, 4))
    model.scale = torch.full((4,), 2.0)
    found, tree = traced(model, torch.randn(2, 4))
    assert node(found, "scale").kind == "constant"
    assert tree.stray[0].used


def test_an_output_without_any_gradient_is_a_backward_failure():
    found, _ = traced(net(lambda self, x: self.a(x).argmax(-1), a=nn.Linear(4, 4)), torch.randn(2, 4))
    (failure,) = found.failures
    assert (failure.phase, failure.operation) == ("backward", "argmax")
    assert "self.a(x).argmax(-1)" in failure.location.text
    found, _ = traced(
        net(lambda self, x: self.a(x) if self.training else self.a(x).argmax(-1), a=nn.Linear(4, 4)), torch.randn(2, 4)
    )
    assert found.failures == []
    assert found.reach.none == []


def test_reentrant_checkpoint_without_gradient_at_its_input():
    from torch.utils.checkpoint import checkpoint

    def forward(self, x):
        return self.b(checkpoint(self.a, x, use_reentrant=True))

    found, _ = traced(net(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4)), torch.randn(2, 4))
    assert found.reach.none == ["a.weight", "a.bias"]


def test_checkpoint_as_it_should_be():
    from torch.utils.checkpoint import checkpoint

    def forward(self, x):
        return self.b(checkpoint(lambda x: self.c(self.a(x)), x, use_reentrant=False))

    found, _ = traced(net(forward, **{name: nn.Linear(4, 4) for name in "abc"}), torch.randn(2, 4))
    assert found.reach.none == []
    assert found.graph.flops_backward == 6 * 64  # three weights, two inputs, and the forward of `a` once more
