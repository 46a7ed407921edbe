"""Short texts with a meaning: expressions, formats, patterns, filters, URIs, names, values of the environment."""

from pathlib import Path

from fanout.config.settings import Settings, load_settings, resolve_datastore
from fanout.errors import UserError
from fanout.files import globs, uris
from fanout.pipeline import expressions
from fanout.pipeline.data.locations import datastore_path, local_path, uri_of
from fanout.pipeline.shell import command_line
from fanout.pipeline.yaml.diagnostics import CheckFailed
from fanout.queues.sqs_batches import NAME_LENGTH, sqs_name
from fanout.records.row_format import row_format
from fanout.records.run_names import check_name
from fanout.security.redaction import redact
from fanout.storage.access import Access
from fanout.storage.open import local_path as store_path
from fanout.tables.values.filter_expressions import columns_of, parse_filter
from fanout.tables.values.partition_format import compile_format
from tests.fuzz.reader import Reader, text_of

VALUES = {"a": "x y; $(rm)", "b": None}
PATH = "/data/2024/01/31/store-7/a.b-c_d=e.csv"
SETTINGS = Settings("s3://runs/prefix", datastores={"blobs": "s3://bucket/blobs"})


def _reference(body: bytes) -> object:
    text = text_of(body)
    reference = expressions.parse_reference(text)
    assert reference is None or expressions.parse_reference(str(reference)) is not None
    return reference, expressions.own_reference(text, "inputs"), list(expressions.template_uses(text))


def _arguments(body: bytes) -> object:
    return expressions.render_arguments(text_of(body), VALUES, {"o": "/out"}), expressions.split_problem(text_of(body))


def _command(body: bytes) -> object:
    return command_line.render_command(text_of(body), VALUES, {"o": "/out"})


def _partition_format(body: bytes) -> object:
    template, _, path = text_of(body).partition("\n")
    return compile_format(template).extract(PATH), compile_format(template).extract(path)


def _glob(body: bytes) -> object:
    pattern, _, path = text_of(body).partition("\n")
    glob = globs.compile_glob(globs.split_pattern(pattern)[1])
    return glob.matches(path), glob.may_hold(path), glob.matches("a/" * 200 + "a" * 200)


def _filter(body: bytes) -> object:
    return columns_of(parse_filter(text_of(body)))


def _uri(body: bytes) -> object:
    text = text_of(body)
    found = uris.absolute(text, "/work")
    shown = uris.display(found)
    if uris.is_local(found):
        assert uris.to_path(found).startswith("/")
        assert uris.from_path(uris.to_path(found)) == found
    return shown, uris.path_of(found), uris.authority(found), uris.relative_to(found, "file:///work")


def _relative(body: bytes) -> object:
    text = text_of(body)
    inner = uris.confined(text)
    assert not inner.startswith("/")
    assert ".." not in inner.split("/")
    below = uris.join("file:///work/in", text)
    assert uris.to_path(below) == f"/work/in/{inner}"
    assert uris.join("s3://bucket/in", text) == f"s3://bucket/in/{inner}"
    return uris.join("https://host/in?sig=1", text)


def _location(body: bytes) -> object:
    try:
        uri = uri_of(text_of(body), Path("/work"))
    except CheckFailed as wrong:  # becomes a problem with its place
        raise UserError(str(wrong)) from wrong
    except UnicodeEncodeError as exc:
        if text_of(body).isprintable():
            raise
        raise UserError("surrogates never come out of a YAML document") from exc
    path = local_path(uri)
    assert path is None or path.is_absolute()
    return uri


def _datastore(body: bytes) -> object:
    uri = resolve_datastore(text_of(body), SETTINGS)
    if datastore_path(text_of(body)) is not None:
        assert uri.startswith(("s3://bucket/blobs", "s3://runs/prefix/datastores/"))
        assert ".." not in uri.split("/")
    return uri


def _run_name(body: bytes) -> object:
    name = check_name(text_of(body))
    assert "/" not in name
    assert name not in (".", "..")
    assert len(name.encode()) <= 128
    queue = sqs_name(name)
    assert 0 < len(queue) < NAME_LENGTH
    return queue


def _store_path(body: bytes) -> object:
    path = store_path(text_of(body))
    assert path.is_absolute()
    return path


def _environment(body: bytes) -> object:
    lines = [line.partition("=") for line in text_of(body).split("\n")]
    environ = {name: value for name, mark, value in lines if mark and "\0" not in name + value}
    access = Access.from_environ(environ)
    secret = environ.get("AWS_SECRET_ACCESS_KEY", "")
    assert len(secret) < 8 or secret not in repr(access)
    return access.child_environ(), load_settings(Path("/"), None, environ)


def _redact(body: bytes) -> object:
    once = redact(text_of(body))
    assert redact(once) == once, "redacting twice changes the text"
    return once


READERS = (
    Reader(
        "reference", (b"${{parent.jobs.a.outputs.b}}", b"${{ inputs.x }}", b"${{parent.inputs.group.x}}"), _reference
    ),
    Reader("arguments", (b"--a ${{inputs.a}} $[[--b ${{inputs.b}}]] --o '${{outputs.o}}'",), _arguments),
    Reader(
        "command", (b"x ${{inputs.a}} \"${{inputs.a}}\" '$[[-b ${{inputs.b}}]]' $(y ${{outputs.o}}) # c",), _command
    ),
    Reader(
        "partition format", (b"/{day:yyyy/MM/dd}/{store}/{name}.csv\n/x/a.csv", b"{a}-{b}_{c}={d}/"), _partition_format
    ),
    Reader("pattern", (b"./**/[a-z]*.c?v\nx/y/b1.csv", b"*a*a*b\naaaaaaaaaaaaaaaaaaaaaaaaaaaa"), _glob),
    Reader("filter", (b'col("a") > 5 and not (col("b") == "x" or -1 <= col("c") < 3.5)',), _filter),
    Reader("URI", (b"s3://bucket/a b/c", b"file:///a%20b", b"https://u:p@h/x?sig=1#f", b"../x/./y", b"~/x"), _uri),
    Reader("relative path", (b"a/b c.csv", b"./a//b", b"x"), _relative),
    Reader(
        "location",
        (b"azureml://datastores/blobs/paths/a/b", b"s3://b/k", b"file:///x", b"./in", b"wasbs://c@a/x"),
        _location,
    ),
    Reader(
        "datastore", (b"azureml://datastores/blobs/paths/a/b", b"azureml://datastores/other", b"s3://x/y"), _datastore
    ),
    Reader("run name", (b"bold_lake_x7kq2m", b"r.1-a"), _run_name),
    Reader("store", (b"./runs", b"file:///runs/a%20b", b"file:runs"), _store_path),
    Reader("row format", (b"s3://b/out.csv", b"file:///a.parquet"), lambda body: row_format(text_of(body))),
    Reader(
        "environment",
        (
            b"AWS_ENDPOINT_URL=http://127.0.0.1:4566\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=geheimgeheim\nAWS_REGION=x",
            b"AWS_ENDPOINT_URL_S3=localstack\nLOCALSTACK_HOST=h:1\nAWS_SKIP_SIGNATURE=true\nFANOUT_PROFILE=",
        ),
        _environment,
    ),
    Reader(
        "redact", (b"https://u:p@h/?X-Amz-Signature=abc AKIAIOSFODNN7EXAMPLE password: 'x' session_token=y",), _redact
    ),
)
