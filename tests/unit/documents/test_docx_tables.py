"""Tables of Word files keep the widths that their text needs, in every word processor."""

import io
from typing import Any, cast

import docx
import pytest
from docx.shared import Cm

from greffier_server.documents.kinds import DocumentFormat
from tests.support.minuted import made, meeting

pytestmark = pytest.mark.unit


def test_the_grid_and_the_cells_give_what_is_to_be_done_the_most_room() -> None:
    file = cast("Any", docx.Document(io.BytesIO(made(meeting(), DocumentFormat.DOCX))))
    (table,) = file.tables
    grid = [column.width for column in table.columns]
    assert grid == [cell.width for cell in table.rows[0].cells]
    assert grid.index(max(grid)) == 1
    assert max(grid) > 2 * min(grid)
    assert abs(sum(grid) - Cm(17)) < Cm(0.1)
    assert table.autofit is False
