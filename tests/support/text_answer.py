"""A made-up kind of result in one file: the answer as plain text."""

from gateway.results.answer import summary
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules


class TextBuilder(Builder):
    """Builds the answer in one sentence."""

    kind = "text"
    media_type = "text/plain"

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:  # noqa: ARG002
        name = f"{image.result_uid(self.kind)}.txt"
        return Result(self.kind, self.media_type, name, summary(image.answer.prediction).encode())
