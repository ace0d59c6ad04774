"""Speaks SMT-LIB 2 over standard input and output with the cvc5 library, as the solver's own program would."""
import sys

import cvc5


class Session:
    """A solver with the names that were declared to it."""

    def __init__(self):
        self.solver = cvc5.Solver()
        self.symbols = cvc5.SymbolManager(self.solver)
        self.parser = cvc5.InputParser(self.solver, self.symbols)

    def run(self, text):
        """Gives the answers to a text of commands."""
        self.parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "stdin")
        while not (command := self.parser.nextCommand()).isNull():
            yield command.invoke(self.solver, self.symbols)


def commands(stream):
    """Yields one complete command at a time: parentheses balanced outside of strings, quoted symbols and comments."""
    text, depth, inside = "", 0, None
    for line in stream:
        for character in line:
            text += character
            if inside == "comment":
                if character == "\n":
                    inside = None
            elif inside is not None:
                if character == inside:
                    inside = None
            elif character == ";":
                inside = "comment"
            elif character in '"|':
                inside = character
            elif character == "(":
                depth += 1
            elif character == ")":
                depth -= 1
                if depth == 0:
                    yield text.strip()
                    text = ""


def main():
    session = Session()
    for text in commands(sys.stdin):
        if text.endswith("(exit)"):
            return
        if text.endswith("(reset)"):
            # the library keeps the logic over a reset; a new session does not
            session = Session()
            continue
        try:
            for answer in session.run(text):
                if answer:
                    print(answer.rstrip("\n"), flush=True)
        except RuntimeError as error:
            words = str(error).replace('"', "'").replace("\n", " ")
            print(f'(error "{words}")', flush=True)


if __name__ == "__main__":
    main()
