"""Promises of the pages, kept over a real database: who sees what, what is never shown, what is written down."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from uuid import UUID, uuid4

import httpx
import pytest
from played import Played, a_played_school
from sqlalchemy import select

from sightline.domain.skills import LEVELS, SKILLS
from sightline.pipeline.signing_in import issue_for_staff
from sightline.security.identity import CredentialKind, token_of
from sightline.settings import Settings
from sightline.store.database import Store
from sightline.store.schema import disclosures
from sightline.web.app import app

NO_ROUTES: dict[str, dict[str, object]] = {"paths": {}}

LinkFor = Callable[[UUID], Awaitable[str]]
SignIn = Callable[[UUID], Awaitable[httpx.AsyncClient]]
ORIGIN = "http://127.0.0.1:8460"
NOT_FOR = "Not a diagnosis, not a grade, not for discipline or placement."
UNKNOWN_SESSION = {"Cookie": f"sightline_session={token_of(CredentialKind.STAFF_SESSION, bytes(32))}"}
BANNER = "this sandbox shows how Sightline works, not real children"


@pytest.fixture(scope="session")
async def played(store: Store) -> Played:
    return await a_played_school(store)


@pytest.fixture
async def browser(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has no session yet and sends the Origin that our own forms send."""
    transport = httpx.ASGITransport(app(store, settings, NO_ROUTES))
    headers = {"Origin": ORIGIN}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as made:
        yield made


@pytest.fixture
def link_for(store: Store, settings: Settings, played: Played) -> LinkFor:
    """A fresh sign-in link's token for a member of staff."""

    async def made(staff_id: UUID) -> str:
        async with store.work() as work:
            return await issue_for_staff(
                work,
                played.school_id,
                staff_id,
                CredentialKind.SIGN_IN_LINK,
                secret_key=settings.checked_secret(),
                now=datetime.now(UTC),
            )

    return made


@pytest.fixture
def sign_in(browser: httpx.AsyncClient, link_for: LinkFor) -> SignIn:
    """The browser with a session of a member of staff, gained as people gain it."""

    async def signed(staff_id: UUID) -> httpx.AsyncClient:
        page = await browser.get("/signin", params={"token": await link_for(staff_id)})
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert token is not None
        answer = await browser.post("/signin", data={"token": token[1]})
        assert answer.status_code == 303
        return browser

    return signed


def section(page: str, skill: str) -> str:
    """The HTML of one skill on a student's page."""
    found = re.search(rf'<section class="skill" id="{skill}".*?</section>', page, re.DOTALL)
    assert found is not None
    return str(found[0])


def row_of(page: str, student: UUID) -> str:
    """The HTML of one student's line in the table of a class."""
    rows: list[str] = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    return next(row for row in rows if f'href="/students/{student}"' in row)


async def looks(store: Store, school_id: UUID) -> list[tuple[str, str, tuple[UUID, ...]]]:
    async with store.work() as work:
        found = await work.execute(
            select(disclosures).where(disclosures.c.school_id == school_id).order_by(disclosures.c.at)
        )
        return [(row.what, row.why, tuple(row.student_ids)) for row in found]


async def test_a_class_shows_every_student_and_skill_as_a_table(played: Played, sign_in: SignIn) -> None:
    page = await (await sign_in(played.teacher)).get(f"/classes/{played.class_id}")
    assert page.status_code == 200
    assert page.text.count('<th scope="row">') == len(played.students) + 2
    for student in (*played.students, played.newcomer):
        assert row_of(page.text, student).count("<td ") == len(SKILLS)
        for skill in SKILLS:
            assert f'href="/students/{student}?skill={skill.value}#{skill.value}"' in page.text
    assert any(level.value in page.text for level in LEVELS)


async def test_without_evidence_no_number_is_shown_anywhere(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.teacher)
    row = row_of((await browser.get(f"/classes/{played.class_id}")).text, played.newcomer)
    assert row.count("not yet</span>") == 2 * len(SKILLS)
    assert "<circle" not in row
    assert "whisker" not in row
    assert not any(level.value in row for level in LEVELS)
    page = await browser.get(f"/students/{played.newcomer}")
    for skill in SKILLS:
        shown = section(page.text, skill.value)
        assert "Not enough evidence yet" in shown
        assert "What would help:" in shown
        assert "<circle" not in shown
        words = re.sub(r"<svg.*?</svg>", "", shown, flags=re.DOTALL)
        assert not re.search(r"\d", re.sub(r"<[^>]*>", "", words))


async def test_thin_evidence_is_shown_without_amounts(played: Played, sign_in: SignIn) -> None:
    """Some simulated students joined late: what was seen of them is shown, and no figure made of it."""
    browser = await sign_in(played.teacher)
    seen = 0
    for student in played.students:
        page = (await browser.get(f"/students/{student}")).text
        for skill in SKILLS:
            shown = section(page, skill.value)
            if "Not enough evidence yet" in shown:
                assert 'class="bars"' not in shown
                assert "SD" not in shown
                assert "<circle" not in shown
                seen += 'class="claims"' in shown
    assert seen > 0


async def test_a_scored_skill_ends_at_moments(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.teacher)
    pages = [(await browser.get(f"/students/{student}")).text for student in played.students]
    scored = [s for page in pages for k in SKILLS if "Together" in (s := section(page, k.value))]
    assert scored
    for shown in scored:
        assert "90 % interval" in shown
        anchors = re.findall(r'href="#([^"]+)"', shown.split("</details>")[0].replace('href="#borders"', ""))
        assert anchors
        for anchor in anchors:
            assert f'id="{anchor}"' in shown
        assert re.search(r'<li class="(counted|chance)"><time', shown)
        assert "Adjusted for this teacher" in shown


async def test_hostile_names_stay_text(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.teacher)
    for address in (f"/classes/{played.class_id}", f"/students/{played.newcomer}"):
        page = (await browser.get(address)).text
        assert "<script" not in page
        assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &#34;Zoe&#34;" in page


class _Policy(HTMLParser):
    """Collects what the content security policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "iframe", "object"}:
            self.refused.append(tag)
        for name, value in attrs:
            elsewhere = name in {"src", "href", "action"} and re.match(r"[a-z]+:|//", value or "")
            if name == "style" or name.startswith("on") or elsewhere:
                self.refused.append(f"{tag} {name}={value}")


async def test_pages_need_nothing_that_the_policy_refuses(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.teacher)
    for address in ("/", "/signin", f"/classes/{played.class_id}", f"/students/{played.students[0]}", "/none"):
        page = (await browser.get(address)).text
        policy = _Policy()
        policy.feed(page)
        assert not policy.refused
        assert NOT_FOR in page
        assert "literature priors, not fitted" in page
        assert (BANNER in page) is (address != "/signin")


async def test_another_teachers_class_and_students_look_like_none(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.other_teacher)
    theirs = [f"/classes/{played.class_id}", f"/students/{played.students[0]}"]
    none = [f"/classes/{uuid4()}", f"/students/{uuid4()}", "/nowhere"]
    answers = [await browser.get(address) for address in (*theirs, *none)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert str(played.class_id) not in (await browser.get("/")).text


async def test_an_administrator_sees_every_class(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.administrator)
    listed = (await browser.get("/")).text
    assert "Class 7" in listed
    assert "Class 8" in listed
    assert (await browser.get(f"/classes/{played.class_id}")).status_code == 200


@pytest.mark.parametrize("address", ["/", "/classes/{0}", "/students/{0}", "/nowhere"])
async def test_without_a_session_every_page_leads_to_signing_in(browser: httpx.AsyncClient, address: str) -> None:
    answer = await browser.get(address.format(uuid4()))
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")


async def test_looking_at_a_link_leaves_it_and_using_it_ends_it(
    browser: httpx.AsyncClient, link_for: LinkFor, played: Played
) -> None:
    token = await link_for(played.teacher)
    for _ in range(2):
        page = await browser.get("/signin", params={"token": token})
        assert "Sign in as The teacher" in page.text
    first = await browser.post("/signin", data={"token": token})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    for part in ("sightline_session=ss_", "httponly", "samesite=strict", "path=/", "max-age=28800"):
        assert part in cookie
    browser.cookies.clear()
    second = await browser.post("/signin", data={"token": token})
    assert second.status_code == 403
    assert "This link does not work" in second.text
    assert "set-cookie" not in second.headers


async def test_the_cookie_is_secure_where_the_address_is(
    store: Store, settings: Settings, link_for: LinkFor, played: Played
) -> None:
    origin = "https://sightline.test"
    transport = httpx.ASGITransport(app(store, replace(settings, public_url=origin), NO_ROUTES))
    async with httpx.AsyncClient(transport=transport, base_url=origin, headers={"Origin": origin}) as browser:
        answer = await browser.post("/signin", data={"token": await link_for(played.teacher)})
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.test"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:8460", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://elsewhere.test", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "", "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_does_nothing(
    browser: httpx.AsyncClient,
    link_for: LinkFor,
    played: Played,
    headers: dict[str, str],
) -> None:
    token = await link_for(played.teacher)
    answer = await browser.post("/signin", data={"token": token}, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text
    ours = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert (await browser.post("/signin", data={"token": token}, headers=ours)).status_code == 303


async def test_signing_out_needs_its_own_form_and_ends_the_session(played: Played, sign_in: SignIn) -> None:
    browser = await sign_in(played.teacher)
    page = await browser.get("/")
    forged = await browser.post("/signout", data={"form_token": "00"})
    assert forged.status_code == 403
    assert (await browser.get("/")).status_code == 200
    session = browser.cookies["sightline_session"]
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    assert token is not None
    answer = await browser.post("/signout", data={"form_token": token[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
    browser.cookies.clear()
    stolen = await browser.get("/", headers={"Cookie": f"sightline_session={session}"})
    assert stolen.headers["location"] == "/signin"


async def test_a_cookie_holds_sessions_only(browser: httpx.AsyncClient, link_for: LinkFor, played: Played) -> None:
    link = await link_for(played.teacher)
    answer = await browser.get("/", headers={"Cookie": f"sightline_session={link}"})
    assert answer.headers["location"] == "/signin"


async def test_every_look_is_written_down_and_a_refused_one_shows_nothing(
    store: Store, played: Played, sign_in: SignIn
) -> None:
    browser = await sign_in(played.administrator)
    before = len(await looks(store, played.school_id))
    await browser.get(f"/classes/{played.class_id}")
    await browser.get(f"/students/{played.students[0]}")
    await browser.get(f"/students/{uuid4()}")
    whole, one = (await looks(store, played.school_id))[before:]
    assert set(whole[2]) == {*played.students, played.newcomer}
    assert one[2] == (played.students[0],)
    assert whole[1] == one[1] == "teaching"


async def test_without_a_database_people_read_when_to_come_back(settings: Settings) -> None:
    nowhere = Store("postgresql://nobody@127.0.0.1:9/none")
    transport = httpx.ASGITransport(app(nowhere, settings, NO_ROUTES))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        answer = await browser.get("/", headers=UNKNOWN_SESSION)
    await nowhere.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert NOT_FOR in answer.text


async def test_a_fault_of_ours_is_a_page_without_a_trace(settings: Settings) -> None:
    """The fault: what was given as the store is none."""
    transport = httpx.ASGITransport(app(object(), settings, NO_ROUTES), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        answer = await browser.get("/", headers=UNKNOWN_SESSION)
    assert answer.status_code == 500
    assert "on our side" in answer.text
    assert "Traceback" not in answer.text
    assert "AttributeError" not in answer.text


async def test_static_files_are_kept_for_good_under_an_address_of_their_content(
    browser: httpx.AsyncClient,
) -> None:
    page = (await browser.get("/signin")).text
    addresses = set(re.findall(r'"(/static/[^"]+)"', page))
    assert len(addresses) == 2
    for address in addresses:
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await browser.get("/static/none.css")).status_code == 404
