"""책의 설정: 노트북을 저장된 출력 그대로 웹 페이지로 옮겨요(`make book`). 인터넷에서 가져오는 것이 없는 페이지예요."""

import shutil
import sys
import tomllib
from pathlib import Path

import pooch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

# 노트북은 ROOT/notebooks 한 벌뿐이에요. Sphinx는 자기 폴더의 글만 읽어서, 만들 때마다 새로 베껴요.
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
shutil.copytree(ROOT / "notebooks", HERE / "notebooks", ignore=shutil.ignore_patterns(".*"))

# 수식을 그리는 MathJax도 책 안에 넣어요.
MATHJAX = "https://registry.npmjs.org/mathjax/-/mathjax-3.2.2.tgz"
(script,) = pooch.retrieve(
    MATHJAX,
    "sha256:1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
    processor=pooch.Untar(members=["package/es5/tex-svg.js"]),
)

repository = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
project = "생성 모델 교실"
language = "ko"
extensions = ["myst_nb", "pages"]
exclude_patterns = ["requirements.txt"]

nb_execution_mode = "off"
nb_custom_formats = {".ipynb": "pages.lesson"}
nb_ipywidgets_js = {}
nb_code_prompt_show, nb_code_prompt_hide = "코드 보기", "코드 접기"
myst_enable_extensions = ["dollarmath", "amsmath", "substitution"]
myst_substitutions = {"repository": f"[저장소]({repository})"}
myst_heading_anchors = 3
mathjax_path = Path(script).name

html_title = project
html_theme = "sphinx_book_theme"
html_static_path = ["style", str(Path(script).parent)]
html_css_files = ["book.css"]
html_theme_options = {
    "repository_url": repository,
    "repository_branch": "main",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "show_toc_level": 1,
    "navbar_persistent": [],  # 맨 위의 막대는 비워요. 비우지 않으면 숨은 막대의 단추만 눌려요
    "footer_content_items": ["extra-footer"],
    "extra_footer": "코드는 MIT, 글과 그림은 CC BY 4.0",
}
html_context = {"default_mode": "auto"}  # 밝은 화면과 어두운 화면은 읽는 사람의 컴퓨터를 따라요
