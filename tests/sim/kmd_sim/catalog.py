"""Names and texts of the world: families of series, events and markets as the exchange has them. Pure, seeded.

Each family makes its events one after another (next date, next hour, next game), so tickers never repeat.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from kmd_sim.fmt import utc
from kmd_sim.model import Event, Series

DISCLAIMER = (
    "The exchange is not affiliated, associated, authorized, endorsed by, or in any way officially connected with the "
    "Governing League. All trademarks, logos, and brand names are the property of their respective owners."
)
LONG_RULES = (
    "Participation & Settlement Criteria\nIf the “player” is scratched or not in the starting lineup, the market will "
    'resolve to the fair market price.\nIf the player starts but records no plate appearance ("DNP"), the market will '
    "resolve to the fair market price; pinch hits do not count.\n\n\tDelays: up to 48 hours – later dates void.\n"
) * 3 + DISCLAIMER
TEAMS = ("DET", "CIN", "DAL", "PHI", "GB", "CHI", "BUF", "NE", "SEA", "LA", "KC", "DEN", "NYG", "MIA", "PIT", "TB")
TOWNS = {
    "DET": "Detroit", "CIN": "Cincinnati", "DAL": "Dallas", "PHI": "Philadelphia", "GB": "Green Bay",
    "CHI": "Chicago", "BUF": "Buffalo", "NE": "New England", "SEA": "Seattle", "LA": "Los Angeles", "KC": "Kansas City",
    "DEN": "Denver", "NYG": "New York G", "MIA": "Miami", "PIT": "Pittsburgh", "TB": "Tampa Bay",
}  # fmt: skip
PLAYERS = (
    "José Ramírez", "Shōhei Ōtani", "Ronald Acuña Jr.", 'Luis "La Piedra" Arráez', "Julio Rodríguez",
    "Ketel Marte", "Teoscar Hernández", "Łukasz O’Brien 🐐",
)  # fmt: skip
CITIES = {"NY": "New York City", "CHI": "Chicago", "MIA": "Miami", "AUS": "Austin"}


@dataclass(slots=True)
class MarketSpec:
    suffix: str
    title: str
    yes_sub_title: str
    no_sub_title: str
    strikes: dict[str, Any]
    rules_primary: str
    rules_secondary: str = ""
    market_type: str = "binary"
    tick: int = 100
    timer: int = 60
    static: dict[str, Any] = field(default_factory=dict)


Family = Callable[[int], tuple[Event, list[MarketSpec]]]


def _day(d: datetime) -> str:
    return d.strftime("%y%b%d").upper()


class Catalog:
    def __init__(self, rng: Random, start_us: int) -> None:
        self.rng = rng
        self.start_us = start_us
        self.today = utc(start_us).replace(minute=0, second=0, microsecond=0)
        self.series: dict[str, Series] = {}
        self._families: tuple[Family, ...] = (
            self._bitcoin, self._game, self._temperature, self._quarter_hour, self._inflation, self._strikeouts,
            self._election, self._fed, self._scalar,
        )  # fmt: skip
        self._serial = 0
        self._mve_serial = 0

    def uuid(self) -> str:
        h = f"{self.rng.getrandbits(128):032x}"
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    def next_event(self) -> tuple[Event, list[MarketSpec]]:
        serial = self._serial
        self._serial += 1
        return self._families[serial % len(self._families)](serial // len(self._families))

    def next_mve(self, legs: list[tuple[str, str, str]]) -> tuple[Event, list[MarketSpec]]:
        """A combination market over `legs` of (event ticker, market ticker, yes sub title)."""
        self._mve_serial += 1
        series = self._series("KXMVESPORTSMULTIGAMEEXTENDED", "Multi-game combos", "Sports", "custom", None)
        event_ticker = f"{series.ticker}-S{self.today.year}{self.rng.getrandbits(44):011X}"
        sides = [self.rng.choice(("yes", "no")) for _ in legs]
        title = ",".join(f"{s} {leg[2]}" for s, leg in zip(sides, legs, strict=True))
        event = self._event(event_ticker, series, "What will happen across all games?", title[:60], "", False)
        event.mve = True
        custom = {
            "Associated Events": ",".join(leg[0] for leg in legs),
            "Associated Market Sides": ",".join(sides),
            "Associated Markets": ",".join(leg[1] for leg in legs),
            "Multivariate Event Ticker": event_ticker,
        }
        selected = [
            {"event_ticker": leg[0], "market_ticker": leg[1], "side": side}
            for side, leg in zip(sides, legs, strict=True)
        ]
        spec = MarketSpec(
            f"{self.rng.getrandbits(44):011X}", title, title, title,
            {"strike_type": "custom", "custom_strike": custom}, "", DISCLAIMER, tick=10, timer=5,
            static={
                "is_provisional": True,
                "mve_collection_ticker": series.ticker + "-R",
                "mve_selected_legs": selected,
            },
        )  # fmt: skip
        return event, [spec]

    def _series(self, ticker: str, title: str, category: str, frequency: str, tags: list[str] | None) -> Series:
        found = self.series.get(ticker)
        if found is None:
            rng = self.rng
            sources = None if rng.random() < 0.15 else [
                {"name": "ESPN – “the source”", "url": "https://www.example.com/results?q=a&b=c"},
                {"name": "Governing League", "url": "https://league.example.org/"},
            ]  # fmt: skip
            found = Series(
                ticker, title, category, frequency, tags, sources,
                rng.choice(("quadratic", "quadratic_with_maker_fees")), rng.choice((1, 1, 0.5)),
                None if rng.random() < 0.3 else ["Owners of teams and the league", "Paid employees of <event>"],
                {"scope": "Game"} if category == "Sports" else None,
                self.start_us - rng.randrange(86_400, 200 * 86_400) * 1_000_000 - rng.randrange(1_000_000),
            )  # fmt: skip
            self.series[ticker] = found
        return found

    def _event(
        self, ticker: str, series: Series, title: str, sub: str, collateral: str, exclusive: bool,
        strike: datetime | None = None, period: str | None = None,
    ) -> Event:  # fmt: skip
        strike_us = int(strike.timestamp()) * 1_000_000 if strike else None
        metadata = {"competition": "Pro Football", "competition_scope": "Game"} if exclusive else None
        return Event(
            ticker, series, title, sub, collateral, exclusive, strike_us, period, metadata,
            series.settlement_sources, self.start_us,
        )  # fmt: skip

    def _bitcoin(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("KXBTCD", "Bitcoin price Above/below", "Crypto", "hourly", ["BTC", "Hourly"])
        when = self.today + timedelta(hours=k + 1)
        event = self._event(
            f"KXBTCD-{_day(when)}{when:%H}", series, f"Bitcoin price on {when:%b %d, %Y} at {when:%H}:00 UTC?",
            f"On {when:%b %d}", "MECNET", False, strike=when,
        )  # fmt: skip
        base = 70_000 + 250 * self.rng.randrange(40)
        specs = []
        for i in range(4):
            strike = base + 250 * i - 0.01
            specs.append(
                MarketSpec(
                    f"T{strike:.2f}",
                    event.title,
                    f"${strike:,.2f} or above",
                    f"below ${strike:,.2f}",
                    {"strike_type": "greater", "floor_strike": strike},
                    f"If the simple average of the sixty seconds of BRTI before {when:%H}:00 is above {strike:.2f}, "
                    "then the market resolves to Yes.",
                    tick=10,
                    timer=1,
                )  # fmt: skip
            )
        return event, specs

    def _quarter_hour(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("KXBTC15M", "BTC Up or Down - 15 minutes", "Crypto", "fifteen_min", None)
        when = self.today + timedelta(minutes=15 * (k + 1))
        event = self._event(
            f"KXBTC15M-{_day(when)}{when:%H%M}", series, "BTC price up in next 15 mins?", f"{when:%H:%M}", "", False
        )
        strike = 70_000 + self.rng.randrange(1_000_000) / 100
        return event, [
            MarketSpec(
                f"{when:%M}", event.title, "Price to beat: TBD", "Price to beat: TBD",
                {"strike_type": "greater_or_equal", "floor_strike": strike}, "If the price is “at least” the open.",
                tick=1, timer=1,
            )
        ]  # fmt: skip

    def _game(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("KXNFLGAME", "Professional Football Game", "Sports", "custom", ["Football"])
        when = self.today + timedelta(days=k)
        home, away = self.rng.sample(TEAMS, 2)
        event = self._event(
            f"KXNFLGAME-{_day(when)}{away}{home}", series, f"{TOWNS[away]} vs {TOWNS[home]}",
            f"{away} vs {home} ({when:%b %d})", "MECNET", True, period="",
        )  # fmt: skip
        return event, [
            MarketSpec(
                team, f"Will {TOWNS[team]} win the {event.title} Pro Football game?", TOWNS[team], TOWNS[team],
                {"strike_type": "structured", "custom_strike": {"football_team": self.uuid()}},
                f'If {TOWNS[team]} wins the {event.title} "professional" football game, the market resolves to Yes.',
                "If the game ends in a tie, the market will resolve to $0.50 for each team.\n\n" + DISCLAIMER,
                static={"subtitle": TOWNS[team]},
            )
            for team in (home, away)
        ]  # fmt: skip

    def _temperature(self, k: int) -> tuple[Event, list[MarketSpec]]:
        code = tuple(CITIES)[k % len(CITIES)]
        series = self._series(f"KXHIGH{code}", f"Highest temperature in {CITIES[code]}", "Climate", "daily", None)
        when = self.today + timedelta(days=k // len(CITIES))
        event = self._event(
            f"KXHIGH{code}-{_day(when)}", series, f"Highest temperature in {CITIES[code]} on {when:%b %d}?",
            f"On {when:%b %d, %Y}", "MECNET", True, strike=when,
        )  # fmt: skip
        low = self.rng.randrange(40, 80)
        specs = [
            MarketSpec(
                f"B{low + 2 * i}.5", f"Will it be {low + 2 * i}-{low + 2 * i + 1}°?", f"{low + 2 * i}° to "
                f"{low + 2 * i + 1}°", f"{low + 2 * i}° to {low + 2 * i + 1}°",
                {"strike_type": "between", "floor_strike": low + 2 * i, "cap_strike": low + 2 * i + 1},
                f"If the highest temperature is between {low + 2 * i}-{low + 2 * i + 1}°F, Yes.", timer=3600,
            )
            for i in range(3)
        ]  # fmt: skip
        specs.append(
            MarketSpec(
                f"T{low}", f"Will it be <{low}°?", f"{low - 1}° or below", f"{low - 1}° or below",
                {"strike_type": "less", "cap_strike": low}, f"If the temperature is less than {low}°F, Yes.",
            )
        )  # fmt: skip
        return event, specs

    def _inflation(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("CPI", "CPI month over month", "Economics", "monthly", ["Inflation", "Economía"])
        month = self.today.month - 1 + k
        when = self.today.replace(year=self.today.year + month // 12, month=month % 12 + 1, day=1)
        event = self._event(
            f"CPI-{when:%y%b}".upper(), series, f"CPI in {when:%B %Y}?", f"In {when:%b %Y}", "DIRECNET", False,
            period=f"{when:%B %Y}",
        )  # fmt: skip
        return event, [
            MarketSpec(
                f"T{'N' if v < 0 else ''}{abs(v):.1f}", f"Will CPI rise over {v}%?", f"Above {v}%", f"{v}% or less",
                {"strike_type": "greater", "floor_strike": v}, f"If CPI increases by more than {v}%, Yes.",
            )
            for v in (-0.1, 0.0, 0.2)
        ]  # fmt: skip

    def _strikeouts(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("KXMLBKS", "Pitcher strikeouts", "Sports", "custom", ["Baseball"])
        when = self.today + timedelta(days=k)
        home, away = self.rng.sample(TEAMS, 2)
        event = self._event(
            f"KXMLBKS-{_day(when)}1310{away}{home}",
            series,
            f"{TOWNS[away]} vs {TOWNS[home]}: Strikeouts",
            "",
            "",
            False,
        )
        name = PLAYERS[(k - 1) % len(PLAYERS)]
        code = "".join(c for c in name.upper() if "A" <= c <= "Z")[:7]
        return event, [
            MarketSpec(
                f"{away}{code}18-{n}", f"{name}: {n}+ strikeouts?", f"{name}: {n}+", f"{name}: {n}+",
                {
                    "strike_type": "structured", "floor_strike": n - 0.5,
                    "custom_strike": {"baseball_player": self.uuid(), "baseball_team": self.uuid()},
                },
                f"If {name} records {n}+ strikeouts in the {event.title} game, then the market resolves to Yes.",
                LONG_RULES, timer=300, static={"primary_participant_key": "baseball_player"},
            )
            for n in (2, 4, 6)
        ]  # fmt: skip

    def _election(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("KXPREFEITOSP", "Prefeitura de São Paulo", "Elections", "one_off", ["Brasil"])
        year = self.today.year + 2 + k
        event = self._event(
            f"KXPREFEITOSP-{year % 100:02d}", series, f"Quem vencerá a eleição em São Paulo, {year}? «primeiro turno»",
            "eleição", "MECNET", True, period=str(year),
        )  # fmt: skip
        names = ("João Conceição", "Íris “Guará” Müller", "Ñandú\nda Silva", "其他候选人")
        return event, [
            MarketSpec(
                code, f"Will {name} win?", name, name, {"strike_type": "custom", "custom_strike": {"Person": name}},
                f'If {name} wins – "and is sworn in" – Yes.\nOtherwise No.\\ (backslash kept)', tick=10,
            )
            for code, name in zip(("JCON", "IMUL", "NSIL", "OUT"), names, strict=True)
        ]  # fmt: skip

    def _fed(self, k: int) -> tuple[Event, list[MarketSpec]]:
        """The series is not the event ticker's first part here, as with some old series of the exchange."""
        series = self._series("KXFEDDECISION", "Fed meeting", "Economics", "custom", None)
        month = self.today.month - 1 + k
        year, month = self.today.year + month // 12, month % 12 + 1
        event = self._event(
            f"FED-{datetime(year, month, 1):%y%b}".upper(), series, "Fed funds rate after the meeting?", "", "", False
        )
        return event, [
            MarketSpec(
                f"T{v:.2f}", f"Will the upper bound be above {v:.2f}%?", f"Above {v:.2f}%", f"{v:.2f}% or less",
                {"strike_type": "functional", "functional_strike": f"rate > {v:.2f}"}, f"If it is above {v:.2f}%, Yes.",
            )
            for v in (3.0, 3.25)
        ]  # fmt: skip

    def _scalar(self, k: int) -> tuple[Event, list[MarketSpec]]:
        series = self._series("KXSEAICE", "Arctic sea ice extent", "Climate", "weekly", [])
        when = self.today + timedelta(days=7 * k)
        event = self._event(f"KXSEAICE-{_day(when)}", series, "Sea ice extent (10⁶ km²)?", "weekly", "", False)
        return event, [
            MarketSpec(
                "LVL",
                event.title,
                "Long",
                "Short",
                {},
                "Pays the extent, scaled to $0–$1.",
                market_type="scalar",
                tick=10,
            )
        ]


def iter_markets(event: Event, specs: list[MarketSpec]) -> Iterator[tuple[str, MarketSpec]]:
    for spec in specs:
        yield f"{event.ticker}-{spec.suffix}", spec
