// Loads the words of this part of the pages; import it (for its effect) where the part begins.
import { addMessages } from ".";
import en from "./en/staff";
import es from "./es/staff";

addMessages({ en, es });
