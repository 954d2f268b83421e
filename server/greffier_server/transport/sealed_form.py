"""Forms with files, parsed so that no file lies on a disk in the clear."""

from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser

from greffier_server.transport.sealed_file import SealedFile

__all__ = ["SealedFormParser"]


class SealedFormParser(MultiPartParser):
    """Starlette's parser, which writes files beyond 1 MB to a disk as they come.

    The files of the form are `SealedFile`; they are closed with the form.
    """

    def on_headers_finished(self) -> None:
        """Put a sealed file in the place of the one that was made for a part."""
        super().on_headers_finished()
        made = self._current_part.file
        if made is None:
            return
        made.file.close()
        sealed = SealedFile()
        self._files_to_close_on_error.append(cast("SpooledTemporaryFile[bytes]", sealed))
        self._current_part.file = UploadFile(
            file=cast("BinaryIO", sealed),
            size=0,
            filename=made.filename,
            headers=made.headers,
        )
