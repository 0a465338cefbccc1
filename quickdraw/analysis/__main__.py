"""Look at runs: which there are, what one of them left, how a sweep ended, and where two of them differ."""

import sys
from collections.abc import Sequence
from pathlib import Path

from quickdraw import console
from quickdraw.console import Parser
from quickdraw.files import user_path


def arguments() -> Parser:
    """The parser of the command line."""
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON, for programs")
    common.add_argument("--outputs", type=user_path, default=Path("outputs"), metavar="FOLDER", help="default: outputs")
    parser = Parser(prog="python -m quickdraw.analysis", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND", parser_class=Parser)
    a_run = "its folder, or the beginning of the folder's name"

    listing = commands.add_parser("list", parents=[common], help="the runs, newest first")
    listing.add_argument("--sort", default="started", metavar="KEY", help="a metric (best first) or a setting")
    listing.add_argument("--reverse", action="store_true", help="the other way round")
    listing.add_argument("--exp", default="*", metavar="NAME", help="only runs of this exp_name, or pattern")

    show = commands.add_parser("show", parents=[common], help="settings, epochs, results and classes of one run")
    show.add_argument("run", metavar="RUN", help=a_run)

    sweep = commands.add_parser("sweep", parents=[common], help="a sweep's ranking; makes summary.csv and report.html")
    sweep.add_argument("folder", metavar="FOLDER", help="outputs/multirun/<exp_name>, or only its name")

    compare = commands.add_parser("compare", parents=[common], help="two runs on the same test drawings")
    compare.add_argument("run", metavar="RUN", help=a_run)
    compare.add_argument("other", metavar="RUN", help="likewise")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 1 error."""
    return console.call(lambda: command(argv))


def command(argv: Sequence[str] | None) -> None:
    """Answer what the command line asks."""
    options = arguments().parse_args(argv)
    from quickdraw.analysis import commands, run_commands, terminal  # numpy: --help is quicker without

    if options.command == "list":
        answer = commands.list_runs(options.outputs, options.exp, options.sort, options.reverse)
    elif options.command == "show":
        answer = run_commands.show_run(options.run, options.outputs)
    elif options.command == "sweep":
        answer = commands.show_sweep(options.folder, options.outputs)
    else:
        answer = run_commands.compare_runs(options.run, options.other, options.outputs)
    terminal.say(answer, options.json)


if __name__ == "__main__":
    sys.exit(main())
