"""Words and sentence frames of the generated writing tasks.

Nouns are common and concrete, so that a small model knows them as single tokens and any of them
fits any slot of a frame.
"""

from __future__ import annotations

NOUNS: tuple[str, ...] = tuple(
    """
    river bread lamp cloud garden window bridge apple ocean candle mountain forest piano guitar
    doctor teacher farmer sailor engine rocket island desert valley castle tower market village
    kitchen bottle basket blanket pillow mirror carpet hammer ladder bucket rope paper pencil
    novel poem song drum flute violin horse rabbit tiger lion monkey elephant turtle dolphin
    whale shark eagle owl pigeon chicken duck goose sheep goat cow pig dog cat mouse spider
    butterfly flower rose tree leaf root seed grain rice corn potato tomato onion carrot pepper
    salt sugar honey butter cheese milk coffee tea juice soup salad pizza sandwich cookie cake
    candy chocolate lemon orange banana cherry grape peach pear berry egg fish oil wine plate spoon
    fork knife cup bowl table chair desk shelf door wall roof floor garage street road train plane
    boat ship truck bicycle wheel ticket map compass clock watch calendar camera radio phone
    computer robot planet moon star comet rain snow storm rainbow shadow diamond silver gold copper
    iron stone brick sand clay ice fire smoke coat hat shoe glove button pocket ring crown flag
    coin gift toy puzzle ball kite tent stove oven broom soap towel brush comb medicine hospital
    school library museum theater stadium office factory bank hotel restaurant bakery church temple
    palace prison king queen prince pirate dragon giant knight painter singer dancer baker nurse
    lawyer judge pilot soldier hunter tailor
    """.split()
)

OPENERS: tuple[str, ...] = (
    "Yesterday",
    "Today",
    "Tonight",
    "Once",
    "Later",
    "Finally",
    "Sometimes",
    "Suddenly",
    "Now",
    "Perhaps",
    "Here",
    "Then",
)

# By number of slots. Frames of one size differ in length, and no frame is tied to a quality.
FRAMES: dict[int, tuple[str, ...]] = {
    2: (
        "the {} stood near the {}",
        "we saw the {} behind the {}",
        "the {} was bigger than the old {}",
        "nobody could find the {} or the {}",
        "she left the {} beside the {}",
    ),
    3: (
        "the {} and the {} waited by the {}",
        "we put the {} and the {} under the {}",
        "he looked for the {}, the {} and the {}",
        "the {} fell between the {} and the {}",
        "my friend keeps the {}, one small {} and that {}",
    ),
    4: (
        "the {} and the {} were near the {} and the {}",
        "we saw the {}, that {} and one {} behind the {}",
        "she drew the {} and the {}, not the {} or the {}",
        "the {} passed the {}, the {} and the tall {}",
        "they left the {} with the {}, the {} and the {}",
    ),
    5: (
        "the {}, the {} and the {} were near the {} and the {}",
        "we saw the {}, the {}, that {} and one {} behind the {}",
        "she drew the {}, the {} and the {}, not the {} or the {}",
        "the {} passed the {}, the {}, the {} and the {}",
        "they left one {} and that {} with the {}, the {} and the {}",
    ),
    6: (
        "the {}, the {} and the {} were near the {}, the {} and the {}",
        "we saw the {}, the {}, that {}, this {} and one {} behind the {}",
        "she drew the {}, the {}, the {} and the {}, not the {} or the {}",
        "the {} passed the {}, the {}, the {}, the {} and the {}",
        "they left one {}, that {} and this {} with the {}, the {} and the {}",
    ),
}

# How a writing prompt may begin; {words} is the list of required words.
REQUESTS: tuple[str, ...] = (
    "Write one short sentence with the words {words}.",
    "Write a short sentence that contains {words}.",
    "Use the words {words} in one short sentence.",
    "Make up a sentence that mentions {words}.",
    "In one sentence, tell a tiny story with {words}.",
    "Give me one line that includes {words}.",
    "Compose a single sentence using {words}.",
    "I need a short sentence with {words} in it.",
    "Please write a sentence about {words}.",
    "Describe a scene in one sentence. Mention {words}.",
)

PURPOSES: tuple[str, ...] = (
    "",
    "It is for a postcard.",
    "It is for a children's book.",
    "It is for a spelling lesson.",
    "It is for a puppet play.",
    "It is for a guessing game.",
    "It is for a birthday card.",
    "It is for a travel diary.",
)
