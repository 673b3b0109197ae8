"""A stack for chaos: dead workers are noticed after 6 s, and groups are small so that many are in flight."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chaos import Load
from runs import NODES, OUTAGE, SCALE, SEED
from stack import Stack
from tcp_proxy import TcpProxy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long runs may take longer."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(300 * max(1, SCALE) + 2 * OUTAGE), append=False)


@pytest.fixture(scope="module")
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """A load on a stack of its own, with the options in the module's `STACK`; the truth adds up over its scenarios."""
    special = getattr(request.module, "STACK", {})
    stack = Stack(tmp_path_factory.mktemp("chaos"), **{"nodes": NODES, **special})
    stack.environment |= {
        "CLUSTERTRACK_SESSION_SECONDS": "6",
        "CLUSTERTRACK_MAX_ROWS": "300",
        "CLUSTERTRACK_LINGER_MS": "50",
    }
    stack.load_registry(_registry(stack))
    print(f"seed {SEED}")  # noqa: T201  (shown when a scenario fails)
    made = Load(stack, SEED)
    made.fixed_nodes = "nodes" in special
    yield made
    stack.close()


def _registry(stack: Stack) -> Path:
    path = stack.folder / "registry.toml"
    path.write_text(
        '[[cluster]]\nslug = "food-bio"\nname = "Food"\nvalid_from = 2000-01-01\n'
        'sources = ["https://crm.foodbio.example"]\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def wires(load: Load) -> Iterator[list[TcpProxy]]:
    """Between the workers and each broker; needs a stack that is `proxied`."""
    with ExitStack() as made:
        proxies = [TcpProxy(proxy, behind) for behind, proxy in load.stack.listeners]
        for proxy in proxies:
            made.callback(proxy.close)
        yield proxies
