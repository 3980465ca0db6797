# 생성 모델 교실. 처음이라면: make course   (Python 3.11 이상과 make만 있으면 돼요)
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
BOOK_READY := $(VENV)/.book-ready
PIP := $(BIN)/pip install --quiet --progress-bar on $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
COLAB := .venv-colab-test
NOISE := metadata.papermill metadata.widgets metadata.language_info cell.metadata.papermill cell.metadata.execution
export PYTHONUTF8 := 1

.PHONY: help env course test colab-test lab notebooks stamp publish book book-env bench bench-env clean
help:  ## 할 수 있는 일
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/'

course: $(READY)  ## 모든 레슨을 실행해 runs/course 에 결과와 보고서(report.html)를 남겨요
	$(BIN)/python -m course_utils.batch run notebooks/*.ipynb --profile quick -p dataset digits --out runs/course

test: $(READY)  ## 모든 시험(pytest + nbval). CI=true이면 모든 셀을 한 번 더 실행해 보는 시험까지
	$(BIN)/ruff check .
	$(BIN)/python -m pytest --ignore=tests/test_any_order.py
	$(if $(CI),$(BIN)/python -m pytest tests/test_any_order.py --dist=load)

colab-test: $(COLAB)/.ready  ## Colab처럼: 그 버전들의 새 환경에서, 빈 폴더의 .ipynb만으로 모든 레슨을 실행해요
	$(COLAB)/bin/python tools/colab_rehearsal.py

env: $(READY)  ## 필요한 것을 .venv에 설치만 해요

lab: $(READY)  ## JupyterLab에서 레슨을 열어요
	$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks: stamp  ## 노트북을 quick으로 다시 실행해 출력을 새로 만들어요. 하나만: make notebooks LESSON=05
	COURSE_STATIC=1 COURSE_PROFILE=quick COURSE_DATASET=digits $(BIN)/jupyter nbconvert --to notebook --execute --coalesce-streams --inplace notebooks/$(LESSON)*.ipynb
	$(BIN)/nbstripout --keep-output --keep-count --keep-id --extra-keys "$(NOISE)" notebooks/$(LESSON)*.ipynb
	$(BIN)/jupyter nbconvert --to notebook --inplace --TagRemovePreprocessor.enabled=True --TagRemovePreprocessor.remove_all_outputs_tags=solution notebooks/$(LESSON)*.ipynb
	$(BIN)/python -m tools.stamp

stamp: $(READY)  ## 레슨마다 되풀이되는 것(환경 준비 셀, 배지, 걸리는 시간, README와 00의 표)을 찍어요
	$(BIN)/python -m tools.stamp

publish:  ## 포크한 저장소의 주소를 배지와 환경 준비 셀에 적어요: make publish REPO=이름/저장소
	@$(PYTHON) -m tools.publish "$$REPO"

book: book-env  ## 노트북을 저장된 출력 그대로 웹 페이지로 만들어요: runs/book/index.html
	$(BIN)/sphinx-build -EaqW --keep-going -b html book runs/book
	@echo "책을 만들었어요: runs/book/index.html"

book-env: $(BOOK_READY)  ## 책을 만드는 데 필요한 것(Sphinx)을 설치해요

bench: bench-env  ## 학습의 빠르기를 PyTorch, 옛 Keras 고리와 나란히 재요(30분쯤)
	$(BIN)/python -m benchmarks.speed

bench-env: $(BENCH_READY)  ## 벤치마크가 견줄 PyTorch를 설치해요

clean:  ## 가상 환경을 지워요. 결과(runs)는 남겨요
	rm -rf $(VENV) $(COLAB)

$(READY): requirements.txt pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 이상이 필요해요. 지금은 $$($(PYTHON) --version 2>&1)이에요. 예: make course PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "가상 환경을 만들지 못했어요. Debian·Ubuntu에서는 sudo apt install python3-venv 를 먼저 해 주세요."; exit 1; }
	$(PIP) -r requirements.txt
	@touch $@

$(BENCH_READY): $(READY) benchmarks/requirements.txt
	$(PIP) -r benchmarks/requirements.txt
	@touch $@

$(COLAB)/.ready: tests/colab-constraints.txt
	@rm -rf $(COLAB)
	@python3.13 -m venv $(COLAB) 2>/dev/null || $(PYTHON) -m venv $(COLAB)
	$(COLAB)/bin/pip install --quiet --progress-bar on -r $<
	@touch $@

$(BOOK_READY): $(READY) book/requirements.txt
	$(PIP) -r book/requirements.txt
	@touch $@
