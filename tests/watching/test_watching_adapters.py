"""Callbacks for Lightning and for Hugging Face's Trainer."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import nnreport


def data(n=64):
    torch.manual_seed(0)
    x = torch.randn(n, 6)
    return TensorDataset(x, (x @ torch.randn(6, 3)).argmax(1))


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_fit_has_a_report(package, tmp_path, capsys, monkeypatch):
    pl = pytest.importorskip(package)
    from nnreport.adapters.lightning import NNReportCallback

    monkeypatch.chdir(tmp_path)

    class Lit(pl.LightningModule):
        def __init__(self, fail=None):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
            self.seen = []
            self.fail = fail

        def training_step(self, batch, index):
            if index == self.fail:
                raise ValueError("in the middle")
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            self.seen.append(loss.item())
            return loss

        def validation_step(self, batch, index):
            self.log("val", F.cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 1e-2)

    def fit(*callbacks, fail=None):
        torch.manual_seed(1)
        model = Lit(fail)
        trainer = pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=list(callbacks),
        )
        trainer.fit(model, DataLoader(data(), 8, shuffle=True), DataLoader(data(), 16))
        return model.seen

    bare = fit()
    callback = NNReportCallback("lit.json", look=False)
    assert fit(callback) == bare
    run = callback.report.facts.run
    assert nnreport.load("lit.json").model.name == "Lit"
    assert run.steps == 16
    assert run.losses.values == pytest.approx(bare)
    assert len(run.validation.values) == 3  # one before training: Lightning's sanity check
    assert run.optimizers[0].location is not None
    assert "the report is lit.json" in capsys.readouterr().err
    assert not [f for f in callback.report.findings if f.severity != "note"], callback.report.findings
    callback = NNReportCallback(look=False)
    with pytest.raises(ValueError, match="in the middle"):
        fit(callback, fail=3)
    assert callback.report.facts.failures[0].message == "in the middle"
    assert (tmp_path / "nnreport-Lit.html").exists()


def test_a_trainer_of_transformers_has_a_report(tmp_path):
    pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    from nnreport.adapters.transformers import NNReportCallback

    x = torch.randint(0, 20, (48, 8), generator=torch.Generator().manual_seed(0))
    rows = [{"input_ids": row, "labels": row} for row in (x[:, :1] + torch.arange(8)) % 20]

    def fit(*callbacks):
        torch.manual_seed(1)
        config = transformers.GPT2Config(
            vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=8, bos_token_id=0, eos_token_id=0
        )
        model = transformers.GPT2LMHeadModel(config)
        arguments = transformers.TrainingArguments(
            str(tmp_path / "out"),
            max_steps=12,
            per_device_train_batch_size=8,
            learning_rate=1e-2,
            eval_strategy="steps",
            eval_steps=4,
            logging_steps=4,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        )
        trainer = transformers.Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:16], callbacks=list(callbacks))
        trainer.train()
        return [row.get("loss", row.get("eval_loss")) for row in trainer.state.log_history]

    bare = fit()
    callback = NNReportCallback(tmp_path / "gpt.html", look=False)
    assert fit(callback) == bare
    run = callback.report.facts.run
    assert run.steps == 12
    assert run.models[run.main].name == "GPT2LMHeadModel"
    assert len(run.validation.values) == 3
    assert (tmp_path / "gpt.html").exists()
    assert not [f for f in callback.report.findings if f.severity != "note"], callback.report.findings


@pytest.mark.parametrize(
    ("adapter", "missing", "what"),
    [("lightning", ["lightning", "pytorch_lightning"], "Lightning"), ("transformers", ["transformers"], "transformers")],
)
def test_a_missing_framework_is_one_clear_line(adapter, missing, what):
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path, target=None):
        if name.partition('.')[0] in {missing!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Missing())
import nnreport
try:
    import nnreport.adapters.{adapter}
except nnreport.UsageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"NNReportCallback needs {what}, which is not installed: pip install {adapter}"


def test_an_output_that_cannot_be_written_is_told_before_training():
    from nnreport.adapters.training import Training

    with pytest.raises(nnreport.UsageError, match="suffix"):
        Training("report.docx")
    with pytest.raises(nnreport.UsageError, match="at least 1"):
        Training(steps=0)
