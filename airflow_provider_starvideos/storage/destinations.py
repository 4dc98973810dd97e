"""The destination of a video. Decides how a file gets there, so that it is whole or not there.

On a disk, and in most stores, it is written under a hidden name and renamed. Object stores show an object only when it
is complete: there it is uploaded from a local file in one request.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_provider_starvideos.api.validation import shown
from airflow_provider_starvideos.exceptions import StarVideosDownloadError, StarVideosExistsError
from airflow_provider_starvideos.locations import located, unusable
from airflow_provider_starvideos.storage import local_files
from airflow_provider_starvideos.storage.uris import GCS, S3, object_path, package_of

PART_BYTES = 5 * 1024 * 1024
PARTS_AT_ONCE = 4  # an upload takes so many parts of memory; s3fs would take 500 MB


AZURE = ("abfs", "abfss", "az")
OBJECT_STORES = frozenset((*S3, *GCS, *AZURE, "oss", "memory"))  # show an object only when it is complete
# Of these, stores that refuse an incomplete body, and an object where there must be none yet. They aren't asked before
# or after an upload, so the right to write is enough.
SELF_CHECKING = frozenset((*S3, *GCS, *AZURE))
COPY_WHOLE = frozenset((*S3, *GCS))  # stores that copy by themselves, and show a copy when whole


def _options(protocol: str, content_type: str, *, overwrite: bool) -> dict[str, Any]:
    """Return the options of an object store's ``put_file``."""
    if protocol in AZURE:
        return {"overwrite": overwrite}
    create = {"chunksize": PART_BYTES} | ({} if overwrite else {"mode": "create"})
    if protocol in S3:
        return {"ContentType": content_type, "max_concurrency": PARTS_AT_ONCE, **create}
    return {"content_type": content_type, **create} if protocol in GCS else {}


class Destination:
    """Where a video goes.

    :param destination: a path or a storage URI, as text or as a path object; one that ends in ``/`` is a folder, for
        ``<video_id>.mp4``
    :param video_id: the API's id, checked before
    :param conn_id: Airflow connection of the storage, or None
    :raises StarVideosValidationError: it can't be a destination
    """

    def __init__(self, destination: Any, video_id: str, conn_id: str | None = None) -> None:
        text = located(destination)
        text += f"{video_id}.mp4" if text.endswith("/") else ""
        self._given = destination if isinstance(destination, str) else str(destination)
        self._local: Path | None = None
        self._protocol = ""
        if "://" not in text:
            self._local = Path(text).absolute()
            self.uri = f"file://{self._local}"
            return
        conn_id = getattr(destination, "conn_id", None) or conn_id
        try:
            path = object_path(text, conn_id)
            self._fs: Any = path.fs
        except (ValueError, ImportError) as error:
            rule = f"must be in a storage that this Airflow has the provider of{package_of(text)} ({error})"
            raise unusable(rule, destination) from error
        except Exception as error:
            raise self._failed("reached", error) from error
        self._protocol, self._path = str(path.protocol), str(path.path)
        self.uri = text
        if not self._path.strip("/").partition("/")[2] and self._protocol in OBJECT_STORES:
            raise unusable("must name an object in a bucket, or end in '/'", destination)

    def refuse_folder(self) -> None:
        """Refuse a path that is a folder on a disk. Stores have no folders.

        :raises StarVideosValidationError: there is a folder of that name
        """
        if self._local and self._local.is_dir():
            raise unusable("must end in '/', because it is a folder", self._given)

    def exists(self) -> bool:
        """There is a file.

        :raises StarVideosValidationError: there is a folder of that name
        :raises StarVideosDownloadError: the storage can't be asked
        """
        if self._local:
            self.refuse_folder()
            return self._local.exists()
        try:
            self._fs.invalidate_cache()
            return bool(self._fs.info(self._path)["type"] == "file")
        except FileNotFoundError:
            return False
        except Exception as error:
            raise self._failed("checked", error) from error

    def holds(self, size: int, sha256: str) -> bool:
        """Return whether a file is there: by digest on a disk, by size in a store. True: the store doesn't say.

        :param size: bytes
        :param sha256: the digest, hex
        """
        try:
            if self._local:
                return self.sha256() == sha256
            self._fs.invalidate_cache()
            return bool(self._fs.info(self._path)["size"] == size)
        except (FileNotFoundError, StarVideosDownloadError):
            return False
        except Exception:  # noqa: BLE001  a role that may write, and not read
            return True

    def check(self) -> None:
        """Check whether a file can be put there, as far as that leaves nothing behind.

        A folder on a disk is made and written to. A bucket of S3 is asked to begin an upload, which is given up at
        once. Other stores aren't asked.

        :raises StarVideosValidationError: there is a folder of that name
        :raises StarVideosDownloadError: nothing can be written there
        """
        self.refuse_folder()
        if self._protocol in OBJECT_STORES and hasattr(self._fs, "call_s3"):
            self._begin_upload()
        with self.workspace():
            pass

    def _begin_upload(self) -> None:
        bucket, _, key = self._path.partition("/")
        try:
            upload = self._fs.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
        except NotImplementedError:
            return  # a store that takes an upload in one request only
        except Exception as error:
            raise self._failed("written", error) from error
        with suppress(Exception):  # without the right to abort, the bucket's lifecycle rule does it
            self._fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])

    def sha256(self) -> str:
        """Return the digest of the file that is there, hex.

        :raises StarVideosDownloadError: it can't be read
        """
        return self.measured()[1]

    def measured(self) -> tuple[int, str]:
        """Return the size in bytes and the digest, hex, of the file that is there.

        :raises StarVideosDownloadError: it can't be read
        """
        size, digest = 0, hashlib.sha256()
        for chunk in self.chunks():
            size += len(chunk)
            digest.update(chunk)
        return size, digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the file that is there, some at a time.

        :raises StarVideosDownloadError: it can't be read
        """
        try:
            options = {} if self._local else {"block_size": PART_BYTES}
            with self._local.open("rb") if self._local else self._fs.open(self._path, "rb", **options) as file:
                while chunk := file.read(PART_BYTES // 8):
                    yield chunk
        except Exception as error:
            raise self._failed("read", error) from error

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a local file to write the video to. It is deleted afterwards, except where ``put`` has moved it.

        :raises StarVideosDownloadError: there can't be one
        """
        spool = Path(tempfile.gettempdir())
        folder, mode = (self._local.parent, local_files.SHARED) if self._local else (spool, local_files.PRIVATE)
        with ExitStack() as stack:
            try:
                part = stack.enter_context(local_files.part_in(folder, mode=mode))
            except OSError as error:
                raise self._failed("written", error) from error
            yield part

    def put(self, part: Path, *, content_type: str, overwrite: bool) -> None:
        """Put a whole file at the destination.

        :param part: from ``workspace``
        :param content_type: what it is, for stores that keep that
        :raises StarVideosExistsError: there is one, and it must stay
        :raises StarVideosDownloadError: the storage refused it
        """
        try:
            if self._local:
                local_files.rename(part, self._local, overwrite=overwrite)
            else:
                self._upload(part, content_type, overwrite=overwrite)
        except FileExistsError as error:
            raise self.taken() from error
        except Exception as error:
            raise self._failed("written", error) from error

    def copy_within_store(self, fs: Any, path: str) -> bool:
        """Copy a file of the same store here, without its bytes coming to this machine. It replaces one that is there.

        :return: False: this can't be done
        """
        if self._local or fs is not self._fs or self._protocol not in COPY_WHOLE:
            return False
        with suppress(Exception):  # other rights, regions or keys: it may still be read and written
            fs.cp_file(path, self._path)
            return True
        return False

    def taken(self) -> StarVideosExistsError:
        """Return the error that says that there is a file."""
        return StarVideosExistsError(f'destination: there is a file, and if_exists="error" (got {shown(self.uri)})')

    def _upload(self, part: Path, content_type: str, *, overwrite: bool) -> None:
        checks_itself = self._protocol in SELF_CHECKING
        if not overwrite and not checks_itself and self.exists():
            raise FileExistsError(self.uri)
        if self._protocol in OBJECT_STORES:
            self._fs.put_file(str(part), self._path, **_options(self._protocol, content_type, overwrite=overwrite))
            if not checks_itself:
                self._check_size(self._path, part)
            return
        folder = self._path.rpartition("/")[0]
        hidden = f"{folder}/{local_files.PREFIX}{secrets.token_hex(8)}{local_files.SUFFIX}"
        try:
            self._fs.makedirs(folder, exist_ok=True)
            self._fs.put_file(str(part), hidden)
            self._check_size(hidden, part)
            self._move(hidden, overwrite=overwrite)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(hidden)
            raise

    def _move(self, hidden: str, *, overwrite: bool) -> None:
        try:
            self._fs.mv(hidden, self._path)
        except Exception:
            if not overwrite or not self._fs.isfile(self._path):
                raise
            self._fs.rm_file(self._path)  # a store that can't rename onto a file
            self._fs.mv(hidden, self._path)

    def _check_size(self, path: str, part: Path) -> None:
        self._fs.invalidate_cache()
        kept, sent = self._fs.info(path)["size"], part.stat().st_size
        if kept != sent:
            raise OSError(f"it has {kept} of {sent} bytes")

    def _failed(self, done: str, error: Exception) -> StarVideosDownloadError:
        return StarVideosDownloadError(
            f"destination: {shown(self._given)} can't be {done}: {type(error).__name__}: {error}"
        )
