"""Tensors on a region: where torch is installed, which is too large to ask for."""

from __future__ import annotations

import io
import multiprocessing
import pickle
from typing import Any

import numpy
import pytest

import zinc

from .conftest import sent

torch: Any = pytest.importorskip("torch")


def test_tensor_is_the_data(name: str) -> None:
    with zinc.create(name, 8000) as region:
        tensor = region.as_torch(torch.float32, (-1, 10))
        tensor[:] = 3
        assert tensor.shape == (200, 10)
        assert (region.as_numpy("f4") == 3).all()
        assert tensor.data_ptr() == region.address
        assert region.as_torch().dtype == torch.uint8
        assert region.as_torch(torch.bfloat16).shape == (4000,)
        assert region.as_torch(torch.float64, (0, 3)).shape == (0, 3)
        assert region.as_torch(torch.int32, (), 8).data_ptr() == region.address + 8
    assert tensor.sum() == 6000  # it stays valid


def test_what_can_not_be(name: str) -> None:
    with zinc.create(name, 80) as region, zinc.open(name, readonly=True) as reader:
        for shape in (21,), (-1, -1), (-2,):
            with pytest.raises(ValueError, match=rf"{name}.*as_torch"):
                region.as_torch(torch.float32, shape)
        with pytest.raises(ValueError, match="no read-only tensors"):
            reader.as_torch()
    with pytest.raises(ValueError, match="closed"):
        region.as_torch()


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_tensor_of_a_message_holds_it(name: str) -> None:
    channel = zinc.Channel.create(name, 4, shape=(4,), dtype="f4", views=2)
    reader = channel.reader()
    with channel.loan() as loan:
        torch.from_numpy(loan.array)[:] = 3
    tensor = torch.from_numpy(reader.recv(0).array)  # read-only memory: torch knows of none
    assert channel.readers[0].views == 1
    channel.send([0, 0, 0, 0])
    reader.close()
    for _ in range(100):
        channel.send([0, 0, 0, 0])
    channel.close()
    assert tensor.tolist() == [3, 3, 3, 3]


def add(tensor: Any) -> float:
    tensor += 1
    assert zinc.region_of(tensor.numpy()) or zinc._reference.region_at(tensor.data_ptr())
    return float(tensor.sum())


@pytest.mark.parametrize("kind", ["spawn", "forkserver"])
def test_workers_have_the_same_memory(name: str, kind: str) -> None:
    with zinc.create(name, 8000) as region, multiprocessing.get_context(kind).Pool(1) as pool:
        tensor = region.as_torch(torch.float64, (10, 100))
        assert pool.map(add, [tensor[2:4], tensor[:, ::2].T]) == [200, 600]
        assert tensor.sum() == 700
        pool.close()
        pool.join()


def test_views_are_references_and_the_rest_goes_as_ever(name: str) -> None:
    with zinc.create(name, 8000) as region:
        tensor = region.as_torch(torch.float64, (10, 100))
        for view in tensor, tensor[3:5, ::7].T, tensor.view(torch.int64)[1], tensor.numpy()[2:]:
            loaded = pickle.loads(sent(view))
            view[...] = 7
            assert (loaded == view).all()
            assert len(sent(view)) < 500
            region.give_back()
        private = torch.ones(3)
        assert torch.equal(pickle.loads(sent(private)), private)
        graded = region.as_torch(torch.float64).requires_grad_()
        assert pickle.loads(sent(graded)).requires_grad


def test_saved_tensor_has_the_data(name: str) -> None:
    file = io.BytesIO()
    with zinc.create(name, 8000) as region:
        tensor = region.as_torch(torch.float64)
        tensor[:] = torch.arange(1000)
        torch.save({"tensor": tensor, "array": zinc.share(numpy.arange(1000))}, file)
        tensor[:] = 0
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded["tensor"], torch.arange(1000, dtype=torch.float64))
    assert loaded["array"].tolist() == list(range(1000))
