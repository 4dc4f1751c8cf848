"""torch's DataLoader, whose workers hand batches of numpy over through zinc's queues."""

import multiprocessing.context
from typing import Any

import numpy
from torch.utils.data import DataLoader, Dataset

import zinc


class QueuesOfZinc(multiprocessing.context.ForkContext):
    """Where a DataLoader gets its queues from, for batches of up to `slot_size` bytes."""

    def __init__(self, slot_size: int) -> None:
        super().__init__()
        self.slot_size = slot_size

    def Queue(self, maxsize: int = 0) -> Any:  # noqa: N802, as it is called there
        sizes = {"slot_size": self.slot_size, "workers": 1, "writers": 4, "views": 16}
        return zinc.Queue(maxsize or 16, **sizes)


class Pictures(Dataset):
    def __len__(self) -> int:
        return 640

    def __getitem__(self, i: int) -> Any:
        return numpy.full((3, 64, 64), i, "f4"), i


def collate(items: list[Any]) -> Any:
    """Make a batch of arrays: torch's own makes tensors, which would be copied once more."""
    pictures, labels = zip(*items, strict=True)
    return numpy.stack(pictures), numpy.array(labels)


if __name__ == "__main__":
    loader = DataLoader(
        Pictures(),
        batch_size=32,
        num_workers=2,
        collate_fn=collate,
        multiprocessing_context=QueuesOfZinc(slot_size=2 << 20),
    )
    labels = []
    for pictures, some in loader:
        assert not pictures.flags.writeable  # it is where the worker has put it
        assert (pictures[:, 0, 0, 0] == some).all()
        labels += some.tolist()
    print(f"{len(labels)} pictures, in order: {labels == [*range(640)]}")
