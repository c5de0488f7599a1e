"""Queries of a real PostgreSQL, where its programs and a driver are there."""

import os
import shutil
import subprocess
import tempfile
from argparse import Namespace

import pytest

from vae_moe.app.arrivals import arrived
from vae_moe.data import reading
from vae_moe.data.files import DatasetError

sqlalchemy = pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(not (shutil.which("initdb") and shutil.which("pg_ctl")), reason="no PostgreSQL here")

TABLE = """
create type mood as enum ('well', 'ill');
create table patients (id bigint, price numeric(10, 2), x float8, smokes boolean, day date, at timestamptz, mood mood,
    name text);
insert into patients select i, i * 1.25, case when i % 7 = 0 then null else i / 8.0 end, i % 2 = 0,
    date '2024-01-01' + i, timestamptz '2024-01-01 10:00+02' + i * interval '1 hour',
    (case when i % 3 = 0 then 'ill' else 'well' end)::mood, 'é, "' || i % 4 from generate_series(1, 300) i
"""


@pytest.fixture(scope="module")
def url():
    """Of a server of its own, which listens to a socket in its folder alone."""
    as_nobody = {"user": "nobody"} if os.getuid() == 0 else {}  # it does not run as root
    with tempfile.TemporaryDirectory() as folder:
        if as_nobody:
            shutil.chown(folder, "nobody")

        def run(*words):
            words = [*words, "--pgdata", f"{folder}/data"]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_nobody)

        run("initdb", "--username", "me", "--no-sync", "--encoding", "UTF8")
        run("pg_ctl", "start", "--wait", "--log", f"{folder}/log", "--options", f"-F -h '' -k {folder}")
        made = f"postgresql+psycopg://me:secret@/postgres?host={folder}"
        try:
            with sqlalchemy.create_engine(made).begin() as connection:
                connection.execution_options(no_parameters=True).exec_driver_sql(TABLE)
            yield made
        finally:
            run("pg_ctl", "stop", "--mode", "immediate")


def test_a_query_of_postgresql_is_a_table(url):
    query = "select * from patients where name like 'é%' and name <> ' :name' order by id"
    options = Namespace(sql=url, query=query, data=None)
    with arrived(options):
        found = reading.read(options.data)
    assert len(found) == 300 and found.x.isna().sum() == 42
    for column, second in {"id": 2, "price": 2.5, "smokes": True, "day": "2024-01-03", "mood": "well"}.items():
        assert found[column][1] == second
    assert found["at"][1] == "2024-01-01 10:00:00+00:00" and found["name"][1] == 'é, "2'


@pytest.mark.parametrize(
    ("query", "words"),
    [("select * from nothing", 'relation "nothing" does not exist'), ("drop table patients", "syntax error")],
)
def test_what_postgresql_refuses_is_told_without_the_password(url, query, words):
    with pytest.raises(DatasetError, match=words) as caught, arrived(Namespace(sql=url, query=query, data=None)):
        pass
    assert "secret" not in str(caught.value)
