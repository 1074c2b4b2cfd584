"""A token bucket: `rate` requests a second, two seconds' worth of burst. Pure."""

from kmd_sim.fmt import SECOND


class Bucket:
    def __init__(self, rate: float, now_us: int) -> None:
        self.rate = rate
        self.size = max(1.0, 2 * rate)
        self._tokens = self.size
        self._at_us = now_us

    def take(self, now_us: int) -> bool:
        if self.rate <= 0:
            return True
        self._tokens = min(self.size, self._tokens + (now_us - self._at_us) * self.rate / SECOND)
        self._at_us = now_us
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
