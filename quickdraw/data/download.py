"""Get the drawings: `python -m quickdraw.data.download [CLASS ...]`.

Fetches what is missing, several files at once, each whole and checked or not at all. What is there in any spelling is
left alone. Whatever stops it, the same command continues. This is the command; the work is done in `fetch/`.
"""

import sys
from pathlib import Path

from quickdraw import console
from quickdraw.data.fetch import official
from quickdraw.data.fetch.download import download
from quickdraw.data.fetch.official import BASE_URL
from quickdraw.data.names import DEFAULT_CLASSES
from quickdraw.errors import ConfigError
from quickdraw.files import user_path

__all__ = ["download", "main"]


def arguments() -> console.Parser:
    """The parser of the command line."""
    parser = console.Parser(
        prog="python -m quickdraw.data.download",
        description="Fetch Quick, Draw! drawings. What is there is kept, and an interrupted download is continued.",
        epilog="The data is made available by Google, Inc. under the Creative Commons Attribution 4.0 licence.",
    )
    parser.add_argument("classes", nargs="*", metavar="CLASS", help=f"default: {', '.join(DEFAULT_CLASSES)}")
    parser.add_argument("--all", action="store_true", help="all 345 classes (39 GB of bitmaps)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N drawings of each class")
    parser.add_argument("--kind", default="bitmap", help="bitmap (.npy), simplified (.ndjson) or sketchrnn (.npz)")
    parser.add_argument("--root", type=user_path, default=Path("data"), help="folder of the files (default: data)")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="files fetched at once (default: 4)")
    parser.add_argument("--base-url", default=BASE_URL, metavar="URL", help=f"default: {BASE_URL}")
    parser.add_argument(
        "--table",
        type=user_path,
        default=official.OFFICIAL_TABLE,
        metavar="TSV",
        help="sizes and MD5 of the files at another base URL (default: the official ones)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 1 error, 130 Ctrl-C, 143 SIGTERM."""
    return console.call(lambda: command(argv), when_stopped="error: stopped; the same command continues")


def command(argv: list[str] | None) -> None:
    """Fetch what the command line names."""
    options = arguments().parse_args(argv)
    table = official.read_table(options.table)
    if options.all and options.classes:
        raise ConfigError(f"expected --all or classes, got both ({', '.join(options.classes)}); drop one")
    classes = official.class_names(table) if options.all else options.classes or DEFAULT_CLASSES
    download(
        classes,
        options.root,
        kind=options.kind,
        limit=options.limit,
        base_url=options.base_url,
        jobs=options.jobs,
        table=table,
    )


if __name__ == "__main__":
    sys.exit(main())
