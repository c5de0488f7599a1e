"""What was trained as an HTTP service: rows in as JSON or CSV, answers out as ``vae-moe predict`` gives them."""

import json
import tempfile
import threading
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from vae_moe.app import folder, inputs, reasons, scoring, trained
from vae_moe.app.inputs import Source
from vae_moe.app.measured import Measured
from vae_moe.data import reading
from vae_moe.data.dialects import UTF8
from vae_moe.data.files import DatasetError

MAX_BODY = 8 * 2**20  # bytes
MAX_ROWS, MAX_EXPLAINED = 20_000, 200
BODY = Path("the body")


class Refused(Exception):
    """A request that cannot be answered.

    Args:
        status: of HTTP, 4xx.
        words: what is wrong with it.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Service:
    """A folder that ``vae-moe cluster`` or ``experts`` wrote from a table, ready to answer.

    Raises:
        DatasetError: it is none, or of images.
    """

    def __init__(self, path: Path) -> None:
        self.config = folder.trained(path)
        preparation = inputs.preparation(path, self.config)
        if preparation is None:
            raise DatasetError(f"{path} was trained on images, and serve takes rows of tables: use vae-moe predict.")
        self.preparation = preparation
        self.estimator = trained.estimator(path, self.config)
        self.lock = threading.Lock()  # one batch at a time: TensorFlow has all threads for it

    @property
    def columns(self) -> list[str]:
        """The columns that rows must have."""
        found = self.preparation.columns
        return [*found.numbers, *found.dates, *found.categories]

    def answer(self, body: bytes, is_csv: bool, explain: bool = False) -> pd.DataFrame:
        """What is predicted of the rows of a body, as ``scoring.table``, or why, as ``reasons.table``.

        Raises:
            Refused: the body is none, or its rows cannot be used.
        """
        frame = self._frame_of_csv(body) if is_csv else self._frame_of_json(body)
        most = MAX_EXPLAINED if explain else MAX_ROWS
        if not 0 < len(frame) <= most:
            raise Refused(413 if len(frame) else 422, f"{len(frame)} rows: send from 1 to {most}.")
        source = Source(BODY, frame, None)
        try:
            with self.lock:
                rows = self.preparation.transform(frame)  # which names all columns that are not there
                measured = Measured.of(source, self.preparation)
                if explain:
                    return reasons.table(self.estimator, source, rows, self.config, self.preparation)
                return scoring.table(self.estimator, source, rows, self.config, self.preparation, measured)
        except (DatasetError, ValueError, TypeError, OverflowError) as error:
            raise Refused(422, str(error)) from error

    def _frame_of_json(self, body: bytes) -> pd.DataFrame:
        return inputs.dialect(self.config).read(_frame_of_json(body), self.preparation.written)

    def _frame_of_csv(self, body: bytes) -> pd.DataFrame:
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / "body.csv"
            path.write_bytes(body)
            try:
                written = replace(inputs.dialect(self.config), encoding=UTF8)
                found = reading.read(path, as_text=self.preparation.written, dialect=written)
            except DatasetError as error:
                raise Refused(422, str(error).replace(str(path), str(BODY))) from error
        assert isinstance(found, pd.DataFrame)
        return found


def _frame_of_json(body: bytes) -> pd.DataFrame:
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON: {error}.") from error
    rows = rows.get("rows") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refused(422, 'send {"rows": [{"column": value, ...}, ...]}.')
    if any(isinstance(value, dict | list) for row in rows for value in row.values()):
        raise Refused(422, "a value of a row is a list or an object: send numbers, text, true, false or null.")
    try:
        return pd.DataFrame(rows)
    except (ValueError, OverflowError) as error:
        raise Refused(422, f"the rows are no table: {error}.") from error


def application(folder_: Path) -> Any:
    """The FastAPI application of a folder: ``/predict`` or ``/cluster``, ``/explain``, ``/health``, ``/docs``.

    Raises:
        DatasetError: as ``Service``, or FastAPI is not there.
    """
    try:
        from fastapi import FastAPI, Request
        from fastapi.concurrency import run_in_threadpool
        from fastapi.responses import JSONResponse, Response
        from starlette.exceptions import HTTPException
    except ImportError as error:
        raise DatasetError("serve needs FastAPI and uvicorn. pip install 'vae_moe[serve]'.") from error
    service = Service(folder_)
    app = FastAPI(title="vae-moe", description=__doc__)
    row = {"type": "object", "required": service.columns, "properties": {each: {} for each in service.columns}}
    rows = {"type": "object", "properties": {"rows": {"type": "array", "items": row}}}
    content = {"application/json": {"schema": rows}, "text/csv": {"schema": {"type": "string"}}}

    async def answer(request: Request) -> Response:
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind not in content:
            raise Refused(415, f"the content type is {kind!r}: send {' or '.join(content)}.")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                raise Refused(413, f"the body is more than {MAX_BODY} bytes: send fewer rows at a time.")
        explain = request.url.path == "/explain"
        found = await run_in_threadpool(service.answer, bytes(body), kind == "text/csv", explain)
        if kind == "text/csv":
            return Response(found.to_csv(index=False), media_type="text/csv")
        rows = found.to_json(orient="records", double_precision=15)
        return Response(f'{{"rows": {rows}}}', media_type="application/json")

    answer.__annotations__ = {"request": Request, "return": Response}
    extra = {"requestBody": {"content": content, "required": True}}
    posts = "/cluster" if service.config["kind"] == "cluster" else "/predict", "/explain"
    for path in posts:
        app.add_api_route(path, answer, methods=["POST"], name=path[1:], openapi_extra=extra)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "kind": service.config["kind"], "columns": service.columns}

    @app.exception_handler(HTTPException)
    def not_here(request: Any, error: HTTPException) -> JSONResponse:
        asked = ", ".join(f"POST {path}" for path in posts)
        words = f"{request.method} {request.url.path} is not answered here: ask {asked}, GET /health or GET /docs."
        return JSONResponse({"error": words}, error.status_code, error.headers)

    @app.exception_handler(Refused)
    def refused(request: Any, error: Refused) -> JSONResponse:
        words = str(error).encode(errors="replace").decode()  # half characters cannot be written
        return JSONResponse({"error": words}, error.status)

    return app


def serve(options: Namespace) -> None:
    """Answer requests until the process is ended."""
    app = application(options.folder)
    import uvicorn

    uvicorn.run(app, host=options.host, port=options.port, log_level="warning" if options.quiet else "info")
