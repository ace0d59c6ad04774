// Loads the words of this part of the pages; import it (for its effect) where the part begins.
import { addMessages } from ".";
import en from "./en/identity";
import es from "./es/identity";

addMessages({ en, es });
