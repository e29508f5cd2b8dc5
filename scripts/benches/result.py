"""One measured figure beside a peer's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Result:
    """``ours`` and ``peer`` are in ``unit``; less is better."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str

    @property
    def ratio(self) -> float:
        return round(self.ours / self.peer, 4)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"ratio": self.ratio}, ensure_ascii=False)
