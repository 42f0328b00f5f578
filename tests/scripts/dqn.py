"""Q-learning with a target network that is copied now and then, and a replay memory."""

import copy
import random

import torch
import torch.nn as nn

torch.manual_seed(0)
random.seed(0)
online = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(online)
opt = torch.optim.RMSprop(online.parameters(), lr=1e-3)
memory, state = [], torch.randn(4)
for step in range(90):
    if random.random() < 0.1:
        action = random.randrange(2)
    else:
        with torch.no_grad():
            action = online(state).argmax().item()
    after = torch.randn(4)
    memory.append((state, action, float((state[0] > 0) == action), after))
    state = after
    if len(memory) < 32:
        continue
    s, a, r, n = zip(*random.sample(memory, 32))
    s, n, a, r = torch.stack(s), torch.stack(n), torch.tensor(a), torch.tensor(r)
    q = online(s).gather(1, a[:, None]).squeeze(1)
    with torch.no_grad():
        wanted = r + 0.9 * target(n).max(1).values
    loss = nn.functional.smooth_l1_loss(q, wanted)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 0:
        target.load_state_dict(online.state_dict())
