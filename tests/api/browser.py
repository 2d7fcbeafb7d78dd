"""A browser without JavaScript: it keeps cookies, reads forms and sends them as a person would."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(
                {"action": given["action"], "method": given["method"], "fields": [], "buttons": []}
            )
        elif tag == "input" and self.forms and "name" in given:
            ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
            if ticked:
                self.forms[-1]["fields"].append((given["name"], given.get("value", "")))
        elif tag == "button" and "name" in given:
            self.forms[-1]["buttons"].append((given["name"], given["value"]))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class Browser:
    """One person's browser at a server in process."""

    def __init__(self, server, root: str = "http://127.0.0.1:8080", address: str = "127.0.0.1"):
        transport = httpx.ASGITransport(server, client=(address, 1234))
        self.http = httpx.AsyncClient(
            transport=transport, base_url=root, headers={"Accept-Language": "en"}
        )
        self.answer: httpx.Response | None = None

    @property
    def html(self) -> str:
        return self.answer.text

    @property
    def text(self) -> str:
        parser = _Forms()
        parser.feed(self.html)
        return re.sub(r"\s+", " ", " ".join(parser.texts))

    @property
    def title(self) -> str:
        return unescape(re.search(r"<h1>(.*?)</h1>", self.html)[1])

    @property
    def path(self) -> str:
        return self.answer.url.path

    def forms(self) -> list[dict]:
        parser = _Forms()
        parser.feed(self.html)
        return parser.forms

    async def get(self, url: str, **options) -> httpx.Response:
        """Open a page; redirects are followed as long as they stay on the server."""
        self.answer = await self.http.get(url, **options)
        return await self._follow()

    async def send(
        self, action: str, button: tuple[str, str] | None = None, drop=(), **values: str
    ) -> httpx.Response:
        """Fill in the form of an action and send it; `drop` are values of boxes to untick."""
        form = next(form for form in self.forms() if form["action"] == action)
        fields = [(n, v) for n, v in form["fields"] if n not in values and v not in drop]
        fields += [*values.items(), *([button] if button else [])]
        headers = {"Sec-Fetch-Site": "same-origin"}
        url = urljoin(str(self.answer.url), action)
        if form["method"] == "get":
            self.answer = await self.http.get(url, params=fields)
        else:
            body = str(httpx.QueryParams(fields)).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            self.answer = await self.http.post(url, content=body, headers=headers)
        return await self._follow()

    async def sign_in(self, name: str, password: str) -> httpx.Response:
        """From the sign-in page on."""
        return await self.send("/sign-in", name=name, password=password)

    async def _follow(self) -> httpx.Response:
        while self.answer.is_redirect:
            goal = urljoin(str(self.answer.url), self.answer.headers["location"])
            if not goal.startswith(str(self.http.base_url).rstrip("/") + "/"):
                break
            self.answer = await self.http.get(goal)
        return self.answer
