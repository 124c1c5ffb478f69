"""Plain pages that load nothing from anywhere else: `/docs`, the interface; the addresses that people are shown."""

from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse

from becalm_server.problems import problem_title, problem_types

router = APIRouter(include_in_schema=False)
# A script from elsewhere would run with this server's origin, and could read what is stored.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = "body{max-width:50em;margin:2em auto;font-family:sans-serif}code{background:#eee}dt{margin-top:1em}"


_WELCOME = """This is the server of becalm, and not its screen. Practise with the becalm app, or on a computer with
<code>becalm client</code>. Who writes programs: <a href=/docs>docs</a>."""
_PAIR = """This link lets one device in, once, within ten minutes; this page cannot use it. Copy its whole address, with
what stands after #, and paste it where becalm asks for a link: in the app under Options, on a computer with
<code>becalm pair</code>."""


@router.get("/")
async def welcome() -> HTMLResponse:
    """Return what this server is, for whoever opens its address in a browser."""
    return _page("becalm", _WELCOME)


@router.get("/pair")
async def pair_page() -> HTMLResponse:
    """Return what a pairing link is for, for whoever opens it; the code in it never comes here."""
    return _page("Pair a device with becalm", _PAIR)


@router.get("/problems/{name}")
async def problem_page(name: Annotated[str, Path(max_length=64)]) -> HTMLResponse:
    """Return what a type of refusal means, for whoever follows it."""
    found = problem_types().get(f"/problems/{name}")
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    status, meaning = found
    return _page(problem_title(name), f"HTTP {int(status)}. {escape(meaning)}")


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse("\n".join(_lines(request.app.openapi())), headers=_HEADERS)


def _page(title: str, text: str) -> HTMLResponse:
    head = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    body = f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1><p>{text}"
    return HTMLResponse(head + body, headers=_HEADERS)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API</title>"
    yield f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{escape(info['description'])}<p>For machines: <a href=openapi.json>openapi.json</a><dl>"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<dt><code>{method.upper()} {escape(path)}</code><dd>{escape(operation['description'])}"
            for parameter in operation.get("parameters", []):
                words = parameter.get("description", parameter["schema"].get("type", ""))
                yield f"<br><code>{escape(parameter['name'])}</code> {escape(words)}"
            answers = ", ".join(f"{code} {answer['description']}" for code, answer in operation["responses"].items())
            yield f"<br>Answers: {escape(answers)}"
    yield "</dl>"
