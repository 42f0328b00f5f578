"""Semi-supervised: a teacher is the moving average of the student, and is asked in every step."""

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F


def make():
    return nn.Sequential(nn.Linear(10, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 3))


torch.manual_seed(0)
student = make()
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)
optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
for step in range(60):
    x = torch.randn(32, 10)
    y = x[:, :3].argmax(1)
    unlabelled = torch.randn(32, 10)
    with torch.no_grad():
        target = teacher(unlabelled + 0.05 * torch.randn_like(unlabelled)).softmax(-1)
    guess = student(unlabelled).softmax(-1)
    loss = F.cross_entropy(student(x), y) + F.mse_loss(guess, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for a, b in zip(teacher.parameters(), student.parameters()):
            a.lerp_(b, 0.05)
