"""``chargen play``."""

from chargen.cli import options
from chargen.cli.export import Example, Int8, write_page
from chargen.cli.output.browser import open_in_browser
from chargen.threads import use_threads


def play(
    checkpoint: options.CheckpointPath = None,
    *,
    int8: Int8 = False,
    example: Example = True,
    quiet: options.Quiet = False,
) -> None:
    """Open a model in the browser: the page of chargen export --html, kept in the cache folder.

    The page's path is printed, also where there is no browser to open it.
    """
    use_threads(0, single=True)
    from chargen.text import cache

    path = options.checkpoint_file(checkpoint, quiet=quiet)
    page = cache.page(str(path.resolve()))
    write_page(path, page, int8=int8, example=example, quiet=quiet)
    open_in_browser(page)
