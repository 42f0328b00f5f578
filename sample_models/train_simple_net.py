"""A first training script, as tutorials have it: SimpleNet on made-up digits.

    nnreport run sample_models/train_simple_net.py

It runs, the loss falls, and nothing is learnt: the labels are the model's own answers. The curve that it means to show is never
recorded either; the report has it.
"""

import torch
from simple_net import SimpleNet
from torch import nn

torch.manual_seed(0)
model = SimpleNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses: list[float] = []

for epoch in range(60):
    images = torch.rand(64, 784)
    outputs = model(images)
    labels = outputs.argmax(dim=1)
    loss = criterion(outputs, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}")

print(f"the curve: {losses}")
