"""결과 폴더: 계획, 일마다의 기록·노트북·로그. 파일은 통째로 있거나 없고, 기록(.json)이 끝났다는 표시예요."""

import contextlib
import json
import os
from pathlib import Path

from course_utils import files
from course_utils.batch.waiting import within
from course_utils.errors import CourseError, hide_secrets, reason

REMOTE_SECONDS = 60
OK, FAILED, DIED, LEFT = "완료", "실패", "끊김", "남음"
PLAN, JOBS = "plan.json", "jobs"


def new_record(job, status=LEFT, message=None, cell=None, source="", **found):
    """일 하나의 기록. 꼴은 여기에만 있고, 정하지 않은 것은 아직 실행하지 않은 일의 것이에요."""
    unknown = {"started": None, "seconds": None, "threads": None, "metrics": {}, "chief": None, "figure": None}
    error = {"message": message, "cell": cell, "source": source} if message else None
    return job | unknown | found | {"status": status, "error": error}


@contextlib.contextmanager
def _readable(target):
    """이 컴퓨터의 것을 읽다 난 오류를 `CourseError`로."""
    try:
        yield
    except OSError as error:
        raise CourseError(f"{target}을(를) 읽지 못했어요({reason(error)}). 경로와 권한을 확인해 주세요.") from error


class Folder:
    """묶음 하나의 결과를 두는 곳. `s3://`, `gs://`, `abs://`처럼 papermill이 아는 주소도 돼요.

    Attributes:
        path: 받은 경로나 주소 그대로.
        shown: 사람에게 보일 것. 주소에 든 비밀번호는 가려요.
        remote: 이 컴퓨터의 폴더가 아니면 True. 그런 곳에는 잠금과 실시간 로그가 없어요.
    """

    def __init__(self, path):
        self.path, self.remote = str(path).rstrip("/"), "://" in str(path)
        if not self.path:
            raise CourseError(f"결과 폴더 '{path}'은(는) 쓸 수 없어요. runs/가을학기처럼 폴더의 이름을 적어 주세요.")
        self.shown = hide_secrets(self.path)

    @contextlib.contextmanager
    def lock(self):
        """이 폴더를 혼자 써요. 다른 묶음이 쓰고 있으면 `CourseError`. 프로세스가 죽으면 저절로 풀려요."""
        if self.remote:
            yield
            return
        import filelock

        try:
            Path(self.path).mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(Path(self.path, ".lock"), timeout=1)
            lock.acquire()
        except filelock.Timeout:
            raise CourseError(
                f"다른 묶음이 {self.path}을(를) 쓰고 있어요. 그것이 끝난 다음에 하거나, --out으로 다른 폴더를 고르세요."
            ) from None
        except OSError as error:
            raise CourseError(
                f"결과 폴더 {self.path}을(를) 만들 수 없어요({reason(error)}). --out을 바꿔 주세요."
            ) from error
        try:
            for part in Path(self.path).rglob(".*.part"):  # 갑자기 멈춘 실행이 남긴 조각
                part.unlink()
            yield
        finally:
            lock.release()

    def busy(self):
        """지금 이 폴더에서 실행 중인 묶음이 있는지."""
        import filelock

        if self.remote:
            return False
        try:
            with filelock.FileLock(Path(self.path, ".lock"), timeout=0):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # 쓸 수 없는 폴더에서는 아무도 실행하지 못해요
            return False

    def write(self, name, text):
        """파일 하나를 통째로 쓰거나 전혀 쓰지 않아요. 쓸 수 없으면 `CourseError`."""
        target = f"{self.path}/{name}"
        if self.remote:
            self._ask("쓰지", lambda handler: handler.write(text, target), target)
            return
        try:
            with files.whole(Path(target)) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CourseError(
                f"{target}에 쓰지 못했어요({reason(error)}). 디스크 공간과 권한을 확인해 주세요."
            ) from error

    def append(self, name, line):
        """이 컴퓨터의 폴더에 진행 기록 한 줄을 덧붙여요. 못 써도 실행을 멈추지 않아요."""
        with contextlib.suppress(OSError):
            Path(self.path, name).parent.mkdir(exist_ok=True)
            with Path(self.path, name).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def plan(self):
        """마지막 `run`의 계획: {"spec", "options", "titles", "jobs"}. 없으면 `CourseError`."""
        found = self._json(PLAN) if PLAN in self.names("") else None
        if not isinstance(found, dict) or not {"spec", "titles", "jobs"} <= found.keys():
            raise CourseError(
                f"{self.path}에는 묶음의 계획({PLAN})이 없거나, 있어도 알아볼 수 없어요. "
                "폴더 이름을 확인하거나 run을 먼저 해 주세요."
            )
        return found

    def records(self, jobs):
        """일마다의 기록을 하나씩 읽어요. 기록이 없거나, 깨졌거나, 내용이 다른 일의 것이면 남은 일이에요."""
        names = self.names(JOBS)
        for job in jobs:
            found = self._json(f"{JOBS}/{job['id']}.json") if f"{job['id']}.json" in names else None
            same = isinstance(found, dict) and found.get("digest") == job["digest"]
            whole = same and found.get("status") in (OK, FAILED, DIED)
            whole = whole and (found["status"] != OK or f"{job['id']}.ipynb" in names)
            yield found if whole else new_record(job)

    def names(self, below):
        """결과 폴더 안의 폴더(""이면 결과 폴더)에 있는 것들의 이름. 없는 폴더면 비어 있어요."""
        target = f"{self.path}/{below}".rstrip("/")
        if not self.remote:
            with _readable(target):
                return set(os.listdir(target)) if os.path.isdir(target) else set()
        found = self._ask("읽지", lambda handler: handler.listdir(target), target)
        return {str(name).rstrip("/").rpartition("/")[2] for name in found}

    def save(self, record, notebook, log):
        """일 하나의 결과를 남겨요. 기록은 맨 나중이에요. 워커와 함께 사라진 로그(None)에는 까닭만 덧붙여요."""
        name = f"{JOBS}/{record['id']}"
        if log is None and not self.remote:
            self.append(f"{name}.log", record["error"]["message"])
        else:
            self.write(f"{name}.log", log or record["error"]["message"])
        if notebook:
            self.write(f"{name}.ipynb", notebook)
        self.write(f"{name}.json", json.dumps(record, ensure_ascii=False, indent=1))

    def _json(self, name):
        """있는 파일에 적힌 값. JSON이 아니면 None, 읽을 수 없으면 끝난 일인지 알 수 없으니 `CourseError`."""
        target = f"{self.path}/{name}"
        if self.remote:
            text = self._ask("읽지", lambda handler: handler.read(target), target)
        else:
            with _readable(target):
                text = Path(target).read_bytes()
        try:
            return json.loads(text)
        except (ValueError, RecursionError):  # 쓰다 끊긴 글, 알 수 없는 글자
            return None

    def _ask(self, verb, call, target):
        """papermill이 아는 저장소에 한 번 읽거나 써요."""
        from papermill.iorw import papermill_io

        try:
            return within(REMOTE_SECONDS, lambda: call(papermill_io.get_handler(target)))
        except Exception as error:  # 저장소마다 예외의 종류가 달라요
            why = error if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            raise CourseError(f"{self.path}을(를) {verb} 못했어요({why}). 주소와 권한을 확인해 주세요.") from error
