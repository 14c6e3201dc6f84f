"""The runner of the pages: what it runs, in which order, and that it notices what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import PageError, find_blocks
from tests.docs.commands import check_options, find_commands
from tests.docs.output import contains_shown, is_as_shown
from tests.docs.page import PageFailedError, run_page

NESTED = """\
# Page

=== "Python"

    ```python title="a.py"
    x = 1
    ```

    !!! note
        Words.

        ```json
        {}
        ```

=== "Node"

    ```js
    1
    ```

<!-- fragment: it is a part -->
```python theirs
y = [
```
"""

WHOLE = """\
# Page

```python title="shop.py"
from colours import RED
from oxmq import Oxmq

app = Oxmq()


@app.task(queue="paint")
async def paint(thing: str) -> str:
    return f"{RED} {thing}"
```

```python title="colours.py"
RED = "red"
```

```python
from shop import app, paint

job = await paint.options(job_id="door-1").enqueue("door")
state = await job.get_state()
```

```console
$ export WHAT=door-1
$ oxmq worker shop:app &
$ oxmq job show paint $WHAT
paint  door-1  completed
...
$ oxmq job show paint nobody  # exits with 1
...
$ echo one \\
    two
one two
```

```python
assert state == "waiting"
assert await job.result(timeout=20) == "red door"
```

```js title="see.mjs"
import { Queue } from 'bullmq'
import Redis from 'ioredis'

const connection = new Redis('redis://localhost:6379', { maxRetriesPerRequest: null })
console.log(await (await new Queue('paint', { connection }).getJob('door-1')).getState())
connection.disconnect()
```

```console
$ node see.mjs
completed
```

```python theirs
from celery import Celery

app = Celery("x", broker="amqp://nobody")
app.send_task("never")
```
"""


def test_a_page_is_run_from_the_top_to_the_bottom(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(WHOLE, encoding="utf-8")
    run_page(page, tmp_path)


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("```python\nassert 1 == 2\n```", r"page.md:2: BlockError: Traceback"),
        ("```python\nx = (\n```", r"page.md:2: SyntaxError"),
        ("```python\nimport asyncio\nawait asyncio.sleep(0)\nraise ValueError('no')\n```", "ValueError: no"),
        ('```python title="a.py"\nfrom oxmq import Nothing\n```', "cannot import name 'Nothing'"),
        ('```text title="../a.txt"\n```', "outside the page's folder"),
        ("```console\n$ echo a\nb\n```", r"page.md:2: ValueError: `echo a` has written:\na"),
        ("```console\n$ (exit 4)\n```", r"has ended with 4"),
        ("```console\n$ true\n$ cd /nowhere-at-all\n```", r"page.md:3: .* has ended with 1"),
        ("```console\n$ (exit 3) &\n$ sleep 0.2\n```", r"Exit 3"),
        ("```console\n$ sleep 1 &\nready\n```", r"`sleep 1 &` has written"),
        ("```console\n$ oxmq queue lst\n```", "there is no command 'oxmq queue lst'"),
        ("<!-- fragment: it goes on -->\n```console\n$ oxmq worker a:b --quues x\n```", "has no option --quues"),
        ("```console\necho a\n```", "a command begins with"),
        ("```json\n{,}\n```", "JSONDecodeError"),
        ("```js\nconst = 1\n```", "this is not JavaScript"),
        ("```yaml\na: [\n```", "this is not YAML"),
        ("```phyton\n```", "what is 'phyton'"),
        ("```python theirs\nfrom rq import Queueue\n```", "rq does not know this"),
        ("<!-- run by tests/unit/test_keys.py -->\n```python\n```", "tests/unit/test_keys.py knows nothing of it"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    text: str, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.docs.page.PATIENCE", 0.5)
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(PageFailedError, match=trouble):
        run_page(page, tmp_path)


def test_blocks_are_found_in_tabs_and_notes_too() -> None:
    found = [(block.kind, block.line, block.title, block.fragment) for block in find_blocks(NESTED)]
    assert found == [
        ("python", 6, "a.py", None),
        ("json", 13, None, None),
        ("js", 19, None, None),
        ("python", 24, None, "it is a part"),
    ]
    assert find_blocks(NESTED)[3].flags == {"theirs"}


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("```\nx\n```", "line 1: say behind the fence"),
        ("<!-- fragment -->\n```python\n```", "line 2: write <!-- fragment: why it cannot run -->"),
        ('=== "Python"\n    ```python\n    x\n    ```', "line 1: leave a line free"),
    ],
)
def test_a_page_that_breaks_a_convention_is_refused(text: str, trouble: str) -> None:
    with pytest.raises(PageError, match=trouble):
        find_blocks(text)


@pytest.mark.parametrize(
    ("shown", "written", "is_whole"),
    [
        ("a", "a\n", True),
        ("a", "a\nb\n", False),
        ("a\n...", "a\nb\nc\n", True),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nd\n", True),
        ("...\nd", "a\nd\nc\n", False),
        ("job ... done", "job 7 done   \n", True),
        ("job ... done", "job\ndone\n", False),
        ("a.c", "abc\n", False),
    ],
)
def test_three_points_stand_for_anything(shown: str, written: str, is_whole: bool) -> None:
    assert is_as_shown(shown, written) is is_whole


def test_of_what_goes_on_a_part_is_enough() -> None:
    assert contains_shown("b\n...\nd", "a\nb\nc\nd\ne\n")
    assert not contains_shown("d\nb", "a\nb\nc\nd\n")


def test_commands_know_what_they_are() -> None:
    text = (
        "$ pip install x\n$ A=1 docker run y\n$ oxmq worker a:b &  # it goes on\nready\n$ curl -X POST u -d '{\n  }'\n"
    )
    pip, docker, worker, curl = find_commands(text, 10)
    assert [pip.is_elsewhere, docker.is_elsewhere, worker.is_elsewhere] == [True, True, False]
    assert [worker.is_background, worker.shown, worker.line] == [True, "ready", 12]
    assert [curl.text, curl.only_looks, curl.is_background] == ["curl -X POST u -d '{\n  }'", False, False]
    check_options(worker)


@pytest.mark.parametrize(
    "text", ["oxmq queue list --json | python -c 'x'", "A=1 oxmq web --port 1 >log &", "(oxmq queue list) && ls -l"]
)
def test_options_of_other_commands_are_theirs(text: str) -> None:
    (command,) = find_commands(f"$ {text}", 1)
    check_options(command)


def test_a_wrong_option_is_found_behind_a_pipe() -> None:
    (command,) = find_commands("$ echo | oxmq queue list --jason", 1)
    with pytest.raises(ValueError, match="oxmq queue list has no option --jason"):
        check_options(command)
