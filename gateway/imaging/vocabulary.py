"""Words of headers, in the languages of the sending sites: body parts, views, animals, computed images.

`anatomy` and `view` look words up here. Text is folded before comparison: `Tórax` and `TORAX` are one word. A
language with words for the chest must have words for laterals, obliques and neighbouring parts, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = str.maketrans({"Ł": "L", "Ø": "O", "Đ": "D", "Þ": "TH", "Æ": "AE", "Œ": "OE", "_": " "})


def fold(text: str) -> str:
    """Return `text` in upper case without accents; `_` becomes a blank."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each)).upper().translate(_LETTERS)


def _words(*lines: str) -> frozenset[str]:
    return frozenset(fold(word) for line in lines for word in line.split())


CHEST = _words(
    "chest chests cxr cxray lung lungs thorax thoraces thx pulmo pulmones pulmonum pulmonary",
    "brustkorb brustkasten lunge lungen bettthorax betthorax",  # German
    "poumon poumons poitrine pulmonaire pulmonaires thoracique thoraciques",  # French
    "torace polmone polmoni polmonare petto toracico toracica",  # Italian
    "torax pecho pulmon pulmones pulmonar",  # Spanish
    "peito pulmão pulmões teletórax",  # Portuguese
    "longen longfoto borstkas borstkast thoracaal",  # Dutch
    "lungor lunga lungröntgen toraks thoraks bröstkorg brystkasse brystkasse lunger",  # Nordic
    "keuhkot keuhkojen keuhkokuva rintakehä",  # Finnish
    "klatka klatki klp piersiowej płuca płuc hrudník hrudníku plíce plic pľúca",  # Polish, Czech, Slovak
    "akciğer akciger göğüs mellkas tüdő toracelui torasic plămâni plămân",  # Turkish, Hungarian, Romanian
    "огк грудная грудной легкие легких θωρακας θωρακος",  # Russian, Greek
)
OTHER_PARTS = _words(
    "abd abdomen abdominal kub pelvis pelvic neck cervical shoulder shoulders clavicle clavicles clavicula",
    "scapula sternum sternoclavicular rib ribs costal bony hemithorax breast mamma mammography",
    "wholebody babygram spine spinal vertebra vertebrae vertebral tspine lspine cspine columna lumbar",
    "lumbosacral sacrum sacral coccyx dorsolumbar thoracolumbar cervicothoracic scoliosis skull head cranium",
    "orbit orbits sinuses mandible jaw nasal teeth hand wrist finger thumb elbow forearm humerus foot",
    "ankle toe toes knee tibia fibula femur hip hips patella calcaneus heel extremity limb leg",
    "bauch becken hals schulter schlüsselbein schluesselbein schulterblatt brustbein rippe rippen",  # German
    "hemithorax knöcherner knöcherne knoecherner knoecherne wirbelsäule wirbelsaeule brustwirbelsäule",
    "brustwirbelsaeule lendenwirbelsäule lendenwirbelsaeule halswirbelsäule halswirbelsaeule bws lws hws",
    "thws wirbel bwk schädel schaedel kopf handgelenk ellbogen ellenbogen unterarm oberarm",
    "finger daumen fuss fuß knie hüfte huefte unterschenkel oberschenkel sprunggelenk zehe zehen",
    "asp bassin cou épaule épaules clavicule omoplate côtes costale gril rachis colonne vertèbre",  # French
    "vertèbres vertébrale crâne mains poignet doigt coude pied cheville genou hanche fémur",
    "addome bacino collo spalla clavicola scapola sterno coste costole costato colonna vertebre rachide",
    "cranio mano polso gomito piede caviglia ginocchio anca",  # Italian
    "cuello hombro clavícula escápula esternón costilla costillas parrilla columna raquis cráneo",  # Spanish
    "muñeca codo tobillo rodilla cadera dedo abdome pescoço ombro escápula esterno costela costelas",
    "arcos coluna crânio punho cotovelo tornozelo joelho quadril bacia",  # Portuguese
    "buik bekken schouder sleutelbeen schouderblad borstbeen rib ribben wervelkolom wervel twk lwk cwk",
    "schedel pols elleboog voet enkel heup",  # Dutch
    "buk bäcken axel nyckelben revben rygg ryggrad kotpelare bröstrygg ländrygg halsrygg halskotpelare",
    "bröstben torakalrygg thorakalrygg thoracalcolumna thorakalcolumna columna bekken bækken skulder ribben",
    "ryghvirvel brystrygg rygsøjle mave skalle fot knä höft fod hofte",  # Nordic
    "vatsa lantio olkapää selkäranka rintaranka kylkiluu kylkiluut",  # Finnish
    "kręgosłup kręgosłupa brzuch brzucha jama miednica bark żebra żeber mostek obojczyk kolano",  # Polish
    "páteř páteře břicho žebra pánev rameno chrbtica brucho rebrá",  # Czech, Slovak
    "omurga vertebra karın batın kaburga kosta pelvis omuz gerinc borda coloana coaste umăr",
    "позвоночник позвоночника живот брюшной ребра ребер таз плечо σπονδυλικη κοιλια πλευρες",
)
NO_PART = _words(
    "unknown unspecified undefined other none na nos null default standard routine general misc xray xr rx",
    "cr dx dr rg radiography radiograph portable mobile bedside adult pediatric paediatric body",
)
_FRONTAL = {
    **dict.fromkeys(_words("ap vd"), "AP"),
    **dict.fromkeys(_words("pa dv"), "PA"),
    **dict.fromkeys(
        _words(
            "frontal frontale frontales frontaal frontalt frontaler face fronte front etukuva прямая прямой"
        ),
        "frontal",
    ),
}
_LATERAL = _words(
    "ll rl lat llat rlat latl latr ltlat rtlat lateral laterals latero",
    "laterolateral lld rld swimmer swimmers side",
    "anliegend seitlich seitliche seitlicher seitliches seitl seitenaufnahme seitaufnahme seitbild",
    "seitenbild",
    "profil profils latérale latérales",  # French
    "laterale laterali laterolaterale profilo",  # Italian
    "perfil laterales laterais",  # Spanish, Portuguese
    "lateraal dwars zijdelings profiel zijopname",  # Dutch
    "lateralt lateralbild sida sidobild sidbild sidebilde sidebillede sivukuva sivu lateraalinen",  # Nordic
    "boczne boczna boczny bočná boční bočný",  # Polish, Czech, Slovak
    "yan oldal oldalirányú profilul laterală",  # Turkish, Hungarian, Romanian
    "боковая боковой πλάγια προφίλ",  # Russian, Greek
)
_OBLIQUE = _words(
    "oblique obliques obl obliq rlo llo rao lao rpo lpo schräg schräge schraeg schraege fechter boxer",
    "obliqua oblicua oblicuo obliquo oblíquas schuin schuine sned skrå viisto skośne šikmá косая",
)
VIEWS = frozenset(_FRONTAL) - {"FACE"} | _LATERAL | _OBLIQUE  # a face is also a part of the body
_DECUBITUS = _words("decubitus decub decubito")
_ON_BACK_OR_BELLY = _words("dorsal dorsale supine supin supino supina prone prono prona ventral ventrale")
_ANIMALS = _words(
    "canine feline equine bovine porcine ovine caprine leporine canis felis equus veterinary",
    "veterinaire veterinär veterinario tierarzt tiermedizin dog dogs puppy kitten horse foal hund katze",
    "pferd chien cheval perro gato caballo cavallo cachorro hond paard häst",
)
_COMPUTED = tuple(  # all words of a line
    _words(line)
    for line in (
        *("bone suppressed", "bone suppression", "bone subtracted", "bone subtraction", "bone free"),
        *("bone only", "bone image", "soft tissue", "dual energy", "energy subtraction"),
        *("temporal subtraction", "bonesuppressed", "bonesuppression", "softtissue", "dualenergy"),
        *("knochensuppression", "knochensubtraktion", "dual energie", "suppression osseuse"),
        *("double énergie", "soppressione ossea", "doppia energia", "supresión ósea", "doble energía"),
        *("supressão óssea", "dupla energia", "tomosynthesis", "tomosynthese", "tomosíntesis", "tomosintesi"),
    )
)
_LETTER_PAIRS = ("AP", "PA", "DV", "VD", "LL")
_PHRASES = (
    (re.compile(r"\bPOSTER\w*[\W\d]{0,3}ANTER\w*"), " PA "),
    (re.compile(r"\bANTER\w*[\W\d]{0,3}POSTER\w*"), " AP "),
    (re.compile(r"\bDORSO\w{0,2}[\W\d]{0,3}VENTRAL\w*"), " PA "),
    (re.compile(r"\bVENTRO\w{0,2}[\W\d]{0,3}DORSAL\w*"), " AP "),
    (re.compile(r"\b(AP|PA)(?:\s?[/&+-]\s?| (?:Y|E|ET|AND|UND|EN|OCH|OG) )[LP]\b"), r"\1 LAT"),
    (re.compile(r"\bF\s?[/&+]\s?[LP]\b"), "FRONTAL LAT"),
    (re.compile(r"\b(T|TH|L|C|D)[. -]{1,2}(SPINE|WS)\b"), "SPINE"),
    (re.compile(r"\bWHOLE[ -]BODY\b"), "WHOLEBODY"),
    (re.compile(r"\bBED[ -]SIDE\b"), "BEDSIDE"),
)
_LETTER_PAIR = re.compile(r"(?<![^\W_])([APDVL])[\W]{1,2}([APDVL])(?![^\W_])")
_MOST_CHARACTERS = 1024  # sixteen times what a description may have
_WORD = re.compile(r"[^\W\d_]+")
_STEMS = ("CHEST", "THORAX", "TORAX", "TORACE", "LUNGEN", "LUNGS", "LUNG", "CXR")
_AROUND_STEMS = _words(
    "x xr rx rtg ro roe rö röntgen rontgen aufnahme übersicht uebersicht bild foto organe organ raum xray",
    "view views bed bett",
)
_WITHOUT_BLANKS = {  # scripts without blanks between words
    "CHEST": ("胸", "흉부"),
    "SPINE": ("胸椎", "腰椎", "脊柱", "흉추"),
    "ABDOMEN": ("腹", "복부"),
    "RIBS": ("肋",),
    "FRONTAL": ("正位", "正面", "정면"),
    "LAT": ("侧", "側", "측면"),
    "OBLIQUE": ("斜", "사위"),
}
_WITHOUT_BLANKS_FOLDED = {word: tuple(map(fold, texts)) for word, texts in _WITHOUT_BLANKS.items()}


def words_of(text: str) -> frozenset[str]:
    """Return the folded words of `text`; `p.a.` and `postero-anterior` become `PA`, `CHESTPA` two words."""
    folded = _LETTER_PAIR.sub(_joined, fold(text[:_MOST_CHARACTERS]))
    for pattern, replacement in _PHRASES:
        folded = pattern.sub(replacement, folded)
    words = {part for word in _WORD.findall(folded) for part in _parts(word)}
    return frozenset(words).union(
        word for word, texts in _WITHOUT_BLANKS_FOLDED.items() if any(each in folded for each in texts)
    )


def frontal_views(words: Iterable[str]) -> frozenset[str]:
    """Return the frontal views (AP, PA, frontal) that the words name."""
    return frozenset(_FRONTAL[word] for word in words if word in _FRONTAL)


def says_lateral(words: frozenset[str]) -> bool:
    """Tell whether the words name a lateral view or a lateral decubitus."""
    return bool(words & _LATERAL) or lies_on_the_side(words)


def lies_on_the_side(words: frozenset[str]) -> bool:
    """Tell whether the words name a lateral decubitus; `décubitus dorsal` does not count."""
    return bool(words & _DECUBITUS) and not words & _ON_BACK_OR_BELLY


def says_oblique(words: frozenset[str]) -> bool:
    """Tell whether the words name an oblique view."""
    return bool(words & _OBLIQUE)


def names_animal(words: frozenset[str]) -> bool:
    """Tell whether the words name an animal."""
    return bool(words & _ANIMALS)


def names_computed_image(words: frozenset[str]) -> bool:
    """Tell whether the words name suppressed bones, subtracted energies or computed slices."""
    return any(needed <= words for needed in _COMPUTED)


def _joined(pair: re.Match[str]) -> str:
    letters = pair[1] + pair[2]
    return f" {letters} " if letters in _LETTER_PAIRS else pair[0]


def _parts(word: str) -> tuple[str, ...]:
    """Split a compound: a stem for the chest and one known word before or after the stem."""
    if word in CHEST or word in OTHER_PARTS:
        return (word,)
    for stem in _STEMS:
        before, found, after = word.partition(stem)
        if found and all(rest == "" or _is_known(rest) for rest in (before, after)):
            return (stem, before, after)
    return (word,)


def _is_known(word: str) -> bool:
    known = (CHEST, OTHER_PARTS, NO_PART, _FRONTAL, _LATERAL, _OBLIQUE, _AROUND_STEMS)
    return any(word in each for each in known)
