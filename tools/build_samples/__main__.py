"""data/samples 를 만들어요: 레슨의 셀을 그대로 실행해, 다 학습시킨 모델들의 그림과 성적을 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python -m tools.build_samples digits 이름…   (또는 mnist. 이름은 LESSONS와 BUILDERS의 열쇠)
digits는 quick으로 학습시키고, MNIST는 미리 학습해 둔 가중치가 있으면 그것을 써요. CPU 두 코어에서 하나에 1–10분.
"""

import importlib
import os
import sys

import nbclient
import nbformat

from course_utils import lessons

LESSONS = {  # 노트북: {저장할 이름: keep에 넘길 그림의 변수나 식(과 함께 적어 둘 것)}
    "05_vae": {"05_vae": "generated", "05_vae_map": "latent_map"},
    "06_gan": {"06_gan": "generated"},
    "08_dcgan": {"08_dcgan": "generated", "08_dcgan_walk": "walks"},
    "09_wgan": {"09_wgan": "generated"},
    "10_autoregressive": {
        "10_completions": "completions",
        "10_nade": "nade_draw(KEPT, *nade_weights, np.random.default_rng(1))",
        "10_made": "naive_draw(made, KEPT, np.random.default_rng(1))",
        "10_pixelcnn": "np.concatenate([draw(paint, np.random.default_rng([1, k]))[0] for k in range(KEPT // 100)])",
    },
    "12_conditional_infogan_text": {
        "12_conditional": "coarse(label_images), labels=label_digits[:KEPT]",
        "12_text": "coarse(text_images), labels=every_combo[:KEPT] // 9, combos=every_combo[:KEPT]",
        "12_infogan": "coarse(info_images), labels=named[info_codes[:KEPT]], codes=info_codes[:KEPT], dials=info_dials[:KEPT].round(3)",
    },
    "13_image_translation": {
        "13_goal": "coarse(np.moveaxis(star_sheet(dress(unit(x_test[:10])[..., 0], np.arange(10) % 4)), -1, -3), 33)",
        "13_two_way": "coarse(np.moveaxis(np.stack([a_test[:10], go(a_test[:10]), come(go(a_test[:10]))]), -1, -3), 33)",
        "13_pix2pix": "coarse(translate(pix2pix.averages[0], SKETCHES[sketch](unit(x_pages[:KEPT])).numpy())), labels=y_pages[:KEPT]",
        "13_cyclegan": "coarse(chalk_gray(come(b_test[:KEPT]))), labels=two_labels[:KEPT]",
        "13_stargan": "coarse(next_domain(star_gray, dress, to_domain, undress), 17 if digits.name == 'digits' else 11), labels=star_labels, domains=(np.arange(len(star_gray)) + 1) % 4",
    },
    "15_progressive_gan": {"15_progressive": "coarse(generated)"},
    "11_aae_wae": {"11_aae": "coarse(generated_aae, 32)", "11_wae": "coarse(generated_wae, 32)"},
}


def lesson(name, dataset):
    """레슨 하나를 그 데이터로 처음부터 끝까지 실행해 그림을 저장해요."""
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    (cell,) = lessons.tagged(notebook, "parameters")
    chosen = {"profile": "quick", "dataset": dataset, "pretrained": dataset == "mnist"}
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in chosen.items() if f"{key} =" in cell.source)
    keep = "".join(f"keep({file!r}, run, {variable})\n" for file, variable in LESSONS[name].items())
    imports = "from tools.build_samples.common import KEPT, coarse, keep\nfrom tools.build_samples.lesson_13 import next_domain\n"
    notebook.cells.append(nbformat.v4.new_code_cell(imports + keep))
    os.environ["COURSE_STATIC"] = "1"
    nbclient.execute(notebook, cwd=os.getcwd(), timeout=None)
    print(notebook.cells[-1].outputs[0].text, end="")


BUILDERS = {}  # 노트북의 실행만으로는 나오지 않는 것: {이름: 함수}. 하나가 파일을 여럿 저장하기도 해요
for number in ("03", "05", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17"):
    BUILDERS |= importlib.import_module(f"tools.build_samples.lesson_{number}").BUILDERS

if __name__ == "__main__":
    dataset, *names = sys.argv[1:] or [""]
    unknown = sorted(set(names) - {*BUILDERS, *LESSONS})
    if dataset not in ("digits", "mnist") or not names or unknown:
        print(f"쓰는 법: python -m tools.build_samples digits|mnist 이름…   모르는 이름: {', '.join(unknown) or '없음'}")
        sys.exit(f"쓸 수 있는 이름: {', '.join([*LESSONS, *BUILDERS])}")
    for name in names:
        if name in BUILDERS:
            BUILDERS[name](dataset)
        else:
            lesson(name, dataset)
