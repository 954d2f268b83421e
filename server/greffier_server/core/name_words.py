"""Word lists of `greffier_server.core.proper_names`, accent-folded and in lower case."""

from collections.abc import Mapping
from types import MappingProxyType

from greffier_server.core.languages import word_set

__all__ = ["EXONYMS", "FIRST_NAMES", "NO_NAMES"]

FIRST_NAMES = word_set(
    "adele adrien agnes alain alexandre alexander alice amelie amina andrew anna anne antoine "
    "arnaud aurelie beatrice benjamin bernard brigitte bruno camille caroline catherine cecile "
    "celine charlotte christian christine christophe claire clement corinne cyril daniel david "
    "delphine denis didier dominique edward elena elise elizabeth elodie emily emma eric etienne "
    "fabien fatima florence franck francois frederic gabriel george georges gerard gilles "
    "guillaume hannah harry helene henri henry hugo ines isabelle jack jacques james jane jean "
    "jennifer jerome john joseph julia julie julien karim karine kevin laetitia laura laurent lea "
    "leo louis louise luc lucas lucie lucy manon marc margaret marie marion mark martin martine "
    "mary mathieu mathilde matthew maxime michael michel mohamed monique nadia nathalie nicolas "
    "nicole olivier pascal patricia patrick paul peter philippe pierre rachel raphael rebecca "
    "richard robert romain samir samuel sandrine sarah sebastien serge simon sophie stephane "
    "stephen susan sylvie theo thierry thomas tom valerie vincent virginie william xavier yann "
    "yasmine yves zoe"
)
"""Common in France and Britain: known to be names where a capital begins a sentence anyway."""

EXONYMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        word: frozenset(pair.split("/")) - {word}
        for pair in word_set(
            "londres/london anvers/antwerp bruxelles/brussels geneve/geneva lyon/lyons "
            "marseille/marseilles dunkerque/dunkirk strasbourg/strassburg vienne/vienna "
            "athenes/athens lisbonne/lisbon moscou/moscow pekin/beijing varsovie/warsaw "
            "copenhague/copenhagen edimbourg/edinburgh douvres/dover barcelone/barcelona "
            "seville/sevilla venise/venice florence/firenze milan/milano turin/torino "
            "naples/napoli allemagne/germany angleterre/england ecosse/scotland espagne/spain "
            "italie/italy belgique/belgium suisse/switzerland autriche/austria pologne/poland "
            "russie/russia chine/china japon/japan inde/india grece/greece turquie/turkey "
            "suede/sweden norvege/norway danemark/denmark finlande/finland irlande/ireland "
            "galles/wales bretagne/brittany/britain grande-bretagne/britain royaume-uni/kingdom "
            "normandie/normandy corse/corsica bourgogne/burgundy savoie/savoy "
            "etats-unis/states/america/usa/us amerique/america afrique/africa asie/asia "
            "europe/european maroc/morocco tunisie/tunisia algerie/algeria egypte/egypt "
            "liban/lebanon syrie/syria irak/iraq mediterranee/mediterranean atlantique/atlantic "
            "manche/channel rhin/rhine tamise/thames alpes/alps pyrenees/pyrenees otan/nato onu/un "
            "ue/eu oms/who tva/vat pib/gdp adn/dna sida/aids usa/us royaume-uni/uk zoulou/zulu "
            "jerome/jerome"
        )
        for word in pair.split("/")
    }
)
"""Names that the two languages write differently (a word may stand in one pair only)."""

NO_NAMES = word_set(
    # titles, offices and bodies, which French and English write with capitals at will
    "m mr mrs ms mme mlle dr pr sir madam madame monsieur mademoiselle lord lady minister ministre "
    "ministry ministere state etat president presidente chair chairman director directeur "
    "directrice direction department departement council conseil committee comite commission "
    "assembly assemblee nationale national senate senat government gouvernement prefect prefet "
    "prefecture mayor maire mairie office bureau service services agency agence authority autorite "
    "court cour university universite school ecole hospital hopital church eglise street rue "
    "avenue boulevard square place road route room salle hall building batiment station gare "
    "airport aeroport port river bridge north south east west nord sud est ouest captain capitaine "
    "colonel commandant commander general lieutenant major sergeant sergent admiral amiral doctor "
    "docteur professor professeur control controle internet web wifi god dieu christmas noel "
    "easter paques ok finance finances secretary secretaire board project projet plan team equipe "
    "unit unite group groupe union republic republique kingdom united royal royale region county "
    "city ville town over out roger wilco terminated stop message urgent mayday copy tu je nous "
    "vous il elle they we you i it he she"
    # languages and peoples: English alone writes them with a capital
    "french francais francaise francaises english anglais anglaise british britannique "
    "britanniques german allemand allemande germans spanish espagnol espagnole italian italien "
    "italienne russian russe chinese chinois chinoise japanese japonais european europeen "
    "europeenne europeens american americain americaine arabic arabe dutch neerlandais belgian "
    "belge swiss suisse portuguese portugais polish polonais roman romain greek grec african "
    "africain parisian parisien catholic catholique christian muslim jewish"
    # months and days are compared as dates
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays "
    "thursdays fridays saturdays sundays janvier fevrier mars avril mai juin juillet aout "
    "septembre octobre novembre decembre lundi mardi mercredi jeudi vendredi samedi dimanche"
)
"""Words with a capital that are no proper names, or need not be kept letter by letter."""
