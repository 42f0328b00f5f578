"""Proximal policy optimisation on a toy problem: rollouts without gradients, then some epochs on them."""

import torch
import torch.nn as nn
from torch.distributions import Categorical


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
        self.actor = nn.Linear(32, 3)
        self.critic = nn.Linear(32, 1)

    def forward(self, state):
        hidden = self.body(state)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(-1)


torch.manual_seed(0)
agent = ActorCritic()
optimizer = torch.optim.Adam(agent.parameters(), lr=3e-3)
for iteration in range(6):
    states, actions, logs, rewards, values = [], [], [], [], []
    state = torch.randn(16, 4)
    with torch.no_grad():
        for t in range(8):
            policy, value = agent(state)
            action = policy.sample()
            states.append(state), actions.append(action), logs.append(policy.log_prob(action)), values.append(value)
            rewards.append((action == state[:, :3].argmax(-1)).float())
            state = torch.randn(16, 4)
    S, A, L, R, V = (torch.cat(v) for v in (states, actions, logs, rewards, values))
    advantage = R - V
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for _ in range(4):
        for part in torch.randperm(len(S)).split(64):
            policy, value = agent(S[part])
            ratio = (policy.log_prob(A[part]) - L[part]).exp()
            surrogate = torch.min(ratio * advantage[part], ratio.clamp(0.8, 1.2) * advantage[part])
            loss = -surrogate.mean() + 0.5 * (R[part] - value).pow(2).mean() - 0.01 * policy.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
