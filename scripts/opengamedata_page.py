"""The text of docs/opengamedata.md, whose tables are made from the mapping tables themselves.

    python scripts/opengamedata_page.py [--check]

With --check nothing is written; the exit status is 1 when the page is not as the code says.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.opengamedata import MAX_BODY, MAX_ENTRIES
from sightline.ingest.opengamedata_mapping import GAMES, Row

PAGE = Path(__file__).parents[1] / "docs" / "opengamedata.md"

BEFORE = f"""# Games that log to OpenGameData

OpenGameData is a public programme in which 29 games publish what their players do (that is the number we were given; we
did not try each game). Their loggers all post to an address that ends in `/logger/log.php`. Sightline has the same address
and turns what comes into its own events. This page is for who develops such a game or wants to use one in a school.

**No claim about validity comes with it.** Sightline's rules were not validated on these games, and the tables below were
read from the games' public schemas, not agreed with their makers. Of the games below, only Jo Wilder was tried with real
logs (ten sessions), and only to see that every row is read. Look at the moments behind each estimate before you believe it.

## Point the game here
| the game is made with | how the address is set |
|---|---|
| Unity, `opengamedata-unity` | a second address: `OGDLog.ConfigureMirroring("https://SIGHTLINE/logger/log.php")`; or change `LogEndpoint` and build again |
| browser, `opengamedata-js-log` | change `OGDLogEndpoint` in `LogConsts.js` and build again; it cannot be set while the game runs |
| Godot, `opengamedata-godot` | `OGDLog.set_endpoint("https://SIGHTLINE/logger/log.php")`: the final address, as redirects are not followed |
| an older or unchanged build | the address is inside the build. A school that hosts the game itself can replace it there, or send that path on from a proxy |

A game in a browser may post only from a page whose origin is among the origins that Sightline allows. Ask who runs it.

## Say who plays
A student is known by a **launch token** (`lt_...`, 8 hours at most), which `POST /api/v1/launches` makes with a server key, or
which a student gets by joining with a class code. It goes with the log in one of two ways:

- as `user_id` in the address. Unchanged games let the page that hosts them set the user's id, and nothing else:
  `setUserId(token)` (browser), `SetUserId(token)` (Unity), `set_user_id(token)` (Godot; there the address says `player_id`);
- as `Authorization: Bearer lt_...`, where the sender can set a header.

Set it before the first event, and start a new session (`ResetSessionId`) when another student takes over: a session belongs to one
student. A token in an address can end up in the logs of servers in between: use https, and keep query strings out of your
proxy's logs. **With Unity's mirroring the first address gets the same `user_id`, so the token too**: do not mirror with a token.

## What is read
- The address: `app_id` (or `game_id`), `app_version` (or `game_version`), `log_version`, `session_id`. In format 1.0, which
  newer loggers send, the second names are used; in each entry `session_sequence_index` and `timestamp` too.
- The form field `data`: base64 of a JSON array, in quotes (Unity) or without (browser). Up to {MAX_ENTRIES:,} entries and
  {MAX_BODY // 1024 // 1024} MiB: a logger that was offline sends its whole queue at once.
- Each entry: `event_name`, `event_sequence_index`, `client_time`, `client_offset`, and `event_data`, `game_state`, `user_data` as JSON
  text or objects. Entries of the oldest logger (`event`, `event_custom`, `session_n`, `level`, `event_data_complex`) are read too; the
  name is then `event.event_custom`, such as `FAIL.0`, as on OpenGameData's own server.
- **Ids** are made from school, `app_id`, `session_id` and index. A queue that is sent again is known and stored once. The index is
  the order, also where the game's clock goes back.
- **An entry that cannot be read** is rejected by itself, with a code; the others are stored.

### Time
`client_time` always ends in `Z`, but not all loggers mean it. `data.ogd.clock` says how a time was read:

| clock | written by | read as |
|---|---|---|
| `local` | the browser logger: local time, and an offset whose hour has no leading zero (`-5:00:00`) | time minus offset |
| `utc` | the Unity logger: true UTC, and an offset of two digits (`-05:00:00`) | as written |
| `stated` | the Godot logger: local time with an honest offset behind it | as written |
| `epoch` | early browser loggers: seconds or milliseconds since 1970 | as written |
| `utc_without_offset`, `utc_as_offset_is_unreadable` | the oldest loggers (they wrote UTC); anything else | as written, a guess in the last case |

From ten hours on (Hawaii, Australia's east, New Zealand) both write the offset alike. Then the session id decides: its first twelve digits are the
local time of the start, with January as 00 in the browser and as 01 in Unity. An id of another make is taken as the browser's. A clock that is simply wrong cannot be
corrected, as the logger does not say when it sends; a time more than 5 minutes in the future is rejected.

## What is kept
An event that the game's table maps gets a type of Sightline's contract and the fields of its row. Everything else becomes
`ogd_` and its own name, is stored and counted, and no rule reads it. All other things the game said lie under `data.ogd`: `event_name`,
`app_version`, `log_version`, `clock`, and `event_data`. No rule looks in there, so a game's own word `task` or `feedback` is never taken for Sightline's.

- `user_data` and `user_id` are never stored, `game_state` only where a row takes a field from it.
- Keys that look personal (like name, email, phone, address, birth) are left out and counted in `data.ogd.personal_dropped`. The answers of
  surveys are left out (events whose name begins with `survey`: they ask for age and gender). So are some keys of single games, named below.
- When it is more than 10 KiB or deeper than 8 levels, `event_data` is left out, `data.ogd.truncated` says so, and the mapped fields stay.

## What loggers make of an answer
They look at the status only, never at the text.

| answer | browser | Unity, now | Godot |
|---|---|---|---|
| 200 to 299 | done | done | done |
| 400 to 499, but 408 and 429 | sends again, at once and for ever | drops the events | drops the events |
| 408, 429, 500 and more | sends again, at once and for ever | again after 0.4 s and longer, up to 3 s; after 10 failures every 10 s | as Unity |
| none, or one the browser may not read (origin not allowed) | **takes it as done: events of an outage are lost** | sends again | sends again |

## Which games have a table
"""

AFTER = """
A failed try is mapped to `failure` only where the game also says which task failed and when the player tries again. Without
that, each failure would read as one that was never retried, and would speak against a student who did try again.
The oldest logger sends some names as a number (`CUSTOM.7`). Where the game puts the true name in `event_data.event_custom` it is found;
where that is a number too, the event stays `ogd_custom_7`.
"""


def opengamedata_page() -> str:
    lines = [
        BEFORE
        + f"{len(GAMES)} of the games: "
        + ", ".join(f"`{game}`" for game in GAMES)
        + ". The others need none to be stored; all their events are then `ogd_...`.",
        AFTER,
        "**Certain** means that the schema says it in words. **Judgement** means that we read it so; look at it twice.",
        "",
    ]
    for app_id, game in GAMES.items():
        lines += [f"### `{app_id}`", "", "| event | becomes | fields taken | why | |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in game.rows]
        if game.private:
            lines += ["", "Left out as private: " + ", ".join(f"`{key}`" for key in sorted(game.private)) + "."]
        if game.renamed:
            renamed = ", ".join(f"`{old}` as `{new}`" for old, new in game.renamed.items())
            lines += ["", f"Kept under another name, as it names no person here: {renamed}."]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    when = "" if row.when is None else f", when `{row.when[0]}` is {_said(row.when[1])}"
    fields = "; ".join(f"`{t.to}` from {', '.join(f'`{p}`' for p in t.places)}" for t in row.takes)
    if row.event_type is None:
        return f"| `{row.name}`{when} | not mapped | | {row.why} | |"
    if row.event_type not in KNOWN_TYPES:
        raise ValueError(row.event_type)
    sure = "judgement" if row.judgement else "certain"
    return f"| `{row.name}`{when} | `{row.event_type}` | {fields} | {row.why} | {sure} |"


def _said(pattern: str) -> str:
    words = pattern.replace(".*", "…").split("|")
    return " or ".join(f"`{word}`" for word in words)


def main(*, check: bool) -> int:
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != opengamedata_page()
    if stale and not check:
        PAGE.write_text(opengamedata_page(), encoding="utf-8")
    if stale:
        print(f"{'stale' if check else 'wrote'}: {PAGE.name}")
    return int(stale and check)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
